"""Everything before a cut-over, without Prefect: for tests and benches of the cut-over itself."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.site import Site
from pumphouse.bodies import Ids
from pumphouse.estate import Estate
from pumphouse.images import translated
from pumphouse.ledger import failures
from pumphouse.models import Mover, Role
from pumphouse.plan import DONE, Item, Plan
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from pumphouse.steps import NAMES
from pumphouse.tasks import servers
from pumphouse.tasks.api import Api
from pumphouse.tasks.batches import do_batch
from pumphouse.tasks.cutover import CutOver
from pumphouse.tasks.images import copy_image
from pumphouse.tasks.migration import EFFECTS
from pumphouse.tasks.owners import owner
from pumphouse.tasks.reading import estate, read_cloud
from pumphouse.tasks.returning import Return
from pumphouse.tasks.rollback import undo
from pumphouse.tasks.storage import Folder

ORDER = (
    "domains", "projects", "roles", "implied_roles", "users", "groups", "group_members",
    "assignments", "qos_specs", "volume_types", "quotas", "flavors", "keypairs", "server_groups",
    "qos_policies", "address_scopes", "subnet_pools", "address_groups",
    "networks", "subnets", "security_groups", "rules", "routers", "rbac_policies",
    "ports", "trunks", "floating_ips",
)  # fmt: skip


def site(
    clouds_yaml: Path | str, storage: Path | str, names: tuple[str, str], **sections: Any
) -> Site:
    """Return the site of two entries of *clouds_yaml*, source first."""
    source, target = (OpenStackCloud(entry=n, clouds_yaml=str(clouds_yaml)) for n in names)
    sections.setdefault("passwords", {"file": f"{storage}/passwords.csv"})
    return Site(source=source, target=target, storage={"url": str(storage)}, **sections)


def estates(pair: Site, storage: Path) -> tuple[Estate, Estate]:
    """Read both clouds as a migration does."""
    folders = {role: Folder(str(storage)) / role.value for role in Role}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda role: read_cloud.fn(pair, role, folders[role]), Role))
    return estate(folders[Role.SOURCE]), estate(folders[Role.TARGET])


@dataclass
class Prepared:
    """One server with everything that it needs at the target."""

    pair: Site
    source: Api
    target: Api
    plan: Plan
    item: Item
    ids: Ids

    def cut_over(self, **options: Any) -> CutOver:
        """Return a cut-over of the server, not yet run."""
        return CutOver(
            source=self.source,
            target=self.target,
            sign_in=lambda user, project: owner(self.pair.target, self.target, user, project),
            item=self.item,
            ids=self.ids,
            timeouts=self.pair.timeouts,
            migrate=self.pair.migrate,
            **options,
        )

    def undo(self) -> None:
        """Take a finished cut-over back, as far as its journal says."""
        cutover = self.cut_over()
        cutover.live = servers.read_server(self.source, cutover.id)
        cutover.claim()
        state = undo(cutover, NAMES[-1])
        assert "Everything was undone" in state, state

    def way_back(self, **options: Any) -> Return:
        """Return the way back of the server, when it was migrated."""
        cut = self.cut_over()
        return Return(
            source=cut.source,
            target=cut.target,
            sign_in=cut.sign_in,
            item=self.item,
            ids=self.ids,
            timeouts=cut.timeouts,
            migrate=cut.migrate,
            **options,
        )


def prepare(
    stack: ExitStack,
    pair: Site,
    storage: Path,
    server: str,
    mover: Mover = Mover.IMAGE,
    *others: str,
) -> Prepared:
    """Do everything before the cut-over of one server, named by its id; *others* move with it."""
    source = stack.enter_context(Api(pair.source, "source"))
    target = stack.enter_context(Api(pair.target, "target"))
    here, there = estates(pair, storage)
    what = chosen(Selection(include=(server, *others)), here)
    intended = plan(what, here, there, Wishes(mover=mover, shared=pair.migrate.shared))
    assert intended.obstacles == []
    ids = {kind: dict(of) for kind, of in intended.ids.items()}
    for kind in ORDER:
        items = intended.of("security_groups" if kind == "rules" else kind)
        todo = [item for item in items if item.action not in DONE]
        entries = do_batch(target, todo, EFFECTS[kind], ids, frozenset())
        # A matrix says why it stopped, too: there it is not pytest that asserts.
        assert not (problems := failures(entries)), problems
        for done in entries:
            ids[done.kind][done.source_id] = done.target_id or ""
    for item in intended.of("images"):
        if item.action not in DONE:
            owner_id = ids["projects"].get(item.row["owner_id"])
            ids["images"][item.source_id] = copy_image(
                source, target, translated(item.row, ids), owner_id
            )[0]
    (item,) = [each for each in intended.of("servers") if each.source_id == server]
    return Prepared(pair, source, target, intended, item, ids)


class Writes:
    """Every request that is no read, logins aside, as it leaves the process: method and URL."""

    def __init__(self, patch: Callable[..., None]) -> None:
        self.seen: list[str] = []
        send = requests.adapters.HTTPAdapter.send

        def recorded(adapter: Any, request: Any, **options: Any) -> Any:
            is_login = request.url.endswith(("/auth/tokens", "/ec2tokens"))
            if request.method not in ("GET", "HEAD") and not is_login:
                self.seen.append(f"{request.method} {request.url}")
            return send(adapter, request, **options)

        patch(requests.adapters.HTTPAdapter, "send", recorded)
