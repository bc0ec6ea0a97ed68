"""
Make a plan: everything chosen, compared with the target, judged, and estimated.

Pure over tables: it needs no cloud, and 100,000 resources take seconds.
"""

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from pydantic import BaseModel, ConfigDict

from pumphouse import balancers, forwardings, images, policies, quota_sets, routers, trunks
from pumphouse.addresses import addresses
from pumphouse.allowances import quotas
from pumphouse.capacity import servers
from pumphouse.checks import was
from pumphouse.closure import KINDS, closure
from pumphouse.comparison import Match
from pumphouse.drafts import Draft, drafts, merge, moved
from pumphouse.estate import Estate
from pumphouse.estimates import Duration, Rates, makespan_s, preparation_s
from pumphouse.exclusions import LEFT_OUT
from pumphouse.fingerprints import fingerprint
from pumphouse.kinds import limited
from pumphouse.mappings import Mappings
from pumphouse.models import Action, Mover
from pumphouse.movers import choose
from pumphouse.passwords import Passwords, loss
from pumphouse.plan import Item, Plan
from pumphouse.rbd_options import SharedBackends
from pumphouse.selection import Chosen
from pumphouse.support import support
from pumphouse.tables import Row
from pumphouse.translation import Translation, translated

REFERENCES: dict[str, tuple[tuple[str, str], ...]] = {
    "projects": (("domains", "domain_id"), ("projects", "parent_id")),
    "users": (("domains", "domain_id"),),
    "groups": (("domains", "domain_id"),),
    "roles": (("domains", "domain_id"),),
    "implied_roles": (("roles", "prior_role_id"), ("roles", "implied_role_id")),
    "group_members": (("groups", "group_id"), ("users", "user_id")),
    "assignments": (
        ("roles", "role_id"), ("users", "user_id"), ("groups", "group_id"),
        ("projects", "project_id"), ("domains", "domain_id"),
    ),
    "quotas": (("projects", "project_id"),),
    "volume_types": (("qos_specs", "qos_specs_id"),),
    "keypairs": (("users", "user_id"),),
    "server_groups": (("projects", "project_id"), ("users", "user_id")),
    "images": (("projects", "owner_id"),),
    "qos_policies": (("projects", "project_id"),),
    "address_scopes": (("projects", "project_id"),),
    "subnet_pools": (("projects", "project_id"), ("address_scopes", "address_scope_id")),
    "address_groups": (("projects", "project_id"),),
    "networks": (("projects", "project_id"), ("qos_policies", "qos_policy_id")),
    "subnets": (("networks", "network_id"), ("subnet_pools", "subnet_pool_id")),
    "security_groups": (("projects", "project_id"),),
    "routers": (("projects", "project_id"),),
    "rbac_policies": (("projects", "project_id"), ("projects", "target_project_id")),
    "zones": (("projects", "project_id"),),
    "ports": (
        ("networks", "network_id"), ("projects", "project_id"), ("qos_policies", "qos_policy_id"),
    ),
    "trunks": (("projects", "project_id"), ("ports", "port_id")),
    "floating_ips": (
        ("networks", "floating_network_id"), ("projects", "project_id"),
        ("qos_policies", "qos_policy_id"),
    ),
    "load_balancers": (
        ("projects", "project_id"), ("networks", "vip_network_id"),
        ("qos_policies", "vip_qos_policy_id"),
    ),
    "snapshots": (("projects", "project_id"), ("users", "user_id")),
    "volumes": (("projects", "project_id"), ("users", "user_id")),
    "servers": (
        ("projects", "project_id"), ("users", "user_id"), ("server_groups", "group_id"),
    ),
}  # fmt: skip
"""By kind: the kinds it refers to, and the column with the id."""


class Wishes(BaseModel):
    """
    How an operator wants a plan to be.

    Attributes:
        mover: Of servers that have none of their own.

        movers: By key of an item, its own.

        skipped: Keys of items that are left alone.

        parallel_copies, parallel_cutovers: For the estimate of the whole.
    """

    model_config = ConfigDict(frozen=True)

    mover: Mover = Mover.IMAGE
    movers: Mapping[str, Mover] = {}
    skipped: frozenset[str] = frozenset()
    mappings: Mappings = Mappings()
    passwords: Passwords = Passwords()
    shared: SharedBackends = SharedBackends()
    rates: Rates = Rates()
    parallel_copies: int = 2
    parallel_cutovers: int = 2


SKIPPED = "The plan's editor skips it."


def plan(what: Chosen, source: Estate, target: Estate, wishes: Wishes | None = None) -> Plan:
    """Return what is to be done for what was chosen of the *source*, at the *target*."""
    with uncollected():
        return _plan(what, source, target, wishes or Wishes())


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles meanwhile: there are none, and the search is a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _plan(what: Chosen, source: Estate, target: Estate, wishes: Wishes) -> Plan:
    made = translated(source, target, wishes.mappings)
    rows = closure(made.estate, what)
    every = drafts(rows, made, target, wishes.mover, wishes.movers)
    choose(every, made, target, wishes.shared, wishes.movers)
    by_itself = frozenset(what.others.get("volumes", ()))
    every, notes = limited(every, what.kinds, partial(_along, source=made.estate), by_itself)
    for draft in every:
        if draft.key in wishes.skipped:
            _leave_alone(draft, SKIPPED)
    if what.left_out.keys() - {"servers"}:
        every += _left_out(every, what, made, target, wishes)
        every.sort(key=lambda draft: KINDS.index(draft.kind))
    _say_passwords(every, wishes.passwords)
    merge(every, made, target, wishes.skipped)
    support(every, made, target)
    costs = addresses(every, target) + quotas(every, made.estate, target)
    costs += servers(every, target)
    _say_lacking(every, made.estate)
    every = [draft for draft in every if draft.match.reason != LEFT_OUT or draft.match.target_id]
    depends = _dependencies(every, made.estate)
    items = tuple(_item(draft, depends[draft.key], wishes.rates) for draft in every)
    return Plan(
        items=items,
        costs=tuple(costs),
        rates=wishes.rates,
        duration=_duration(items, wishes),
        notes=(*made.notes, *notes, *_amphorae(what)),
    )


def _amphorae(what: Chosen) -> list[str]:
    count = len(what.amphora_ids)
    words = f"{count} server(s) stay: they are amphorae, and the target's Octavia makes its own."
    return [words] if count else []


def _say_passwords(every: list[Draft], passwords: Passwords) -> None:
    """Say of each new user what becomes of the password."""
    if words := loss(passwords):
        for draft in moved(every, "users"):
            draft.losses.insert(0, words)


def _item(draft: Draft, depends: tuple[str, ...], rates: Rates) -> Item:
    found, problems = draft.match, draft.problems
    action, reason = found.action, found.reason
    # Limits that are equal may be too small all the same.
    is_left_alone = reason == SKIPPED or draft.kind != "quotas"
    if problems and not (action is Action.SKIP and is_left_alone):
        action = Action.BLOCKED
        reason = " ".join(dict.fromkeys(problems))
    is_moved = action in (Action.CREATE, Action.UPDATE)
    is_down = is_moved and draft.kind == "servers" and was(draft.row) != "SHUTOFF"
    return Item(
        kind=draft.kind,
        source_id=draft.row["id"],
        name=draft.name,
        project=draft.project,
        action=action,
        target_id=found.target_id,
        depends_on=depends,
        reason=reason,
        mapping=draft.mapping,
        losses=tuple(draft.losses),
        size_bytes=draft.disk_bytes if is_moved else 0,
        downtime_estimate_s=rates.downtime_s(draft.disk_bytes) if is_down else 0,
        mover=draft.mover,
        fingerprint=fingerprint(draft.kind, draft.row),
        row=draft.row,
        missing=found.missing,
        merged_into=draft.merged_into,
        movers=draft.movers,
    )


def _dependencies(every: list[Draft], source: Estate) -> dict[str, tuple[str, ...]]:
    present = {draft.key for draft in every}
    return {
        draft.key: tuple(
            key
            for key in dict.fromkeys([*_referred(draft, source), *_awaited(draft, source)])
            if key in present and key != draft.key
        )
        for draft in every
    }


def _awaited(draft: Draft, source: Estate) -> Iterable[str]:
    """Return the keys of what *draft* does without when it does not move, and else waits for."""
    if draft.kind == "users":
        return [f"projects:{draft.row['default_project_id']}"]
    # One that could not be made is no reason to stop a server: nothing would reach it there.
    return _routers(draft.row, source) if draft.kind == "servers" else []


def _referred(draft: Draft, source: Estate) -> Iterable[str]:
    row = draft.row
    keys = [f"{kind}:{row[column]}" for kind, column in REFERENCES.get(draft.kind, ())]
    if draft.merged_into:
        keys.append(draft.merged_into)
    if draft.kind == "servers":
        keys += [f"volumes:{v['id']}" for v in row["attached"]]
        keys += [f"ports:{p['id']}" for p in row["ports"]]
        keys += [f"trunks:{t['id']}" for t in trunks.of_server(row, source)]
        keys += [f"floating_ips:{id_}" for id_ in _floating(row, source)]
        keys += [f"images:{row['image_id']}"] if draft.mover is Mover.REBUILD else []
        keys += [f"images:{id_}" for id_ in images.needed([row])]
        keys += [f"flavors:{f['id']}" for f in source.where("flavors", "name", row["flavor_name"])]
        keys.append(f"flavors:embedded:{row['flavor_name']}")
        keys.append(f"keypairs:{row['user_id']}:{row['key_name']}")
    if draft.kind == "images":
        keys += [f"images:{id_}" for id_ in images.needed([row])]
        keys += [f"projects:{id_}" for id_ in row["shared_with"]]
    if draft.kind == "ports":
        keys += [f"security_groups:{id_}" for id_ in row["security_group_ids"] or []]
        keys += [f"subnets:{fixed['subnet_id']}" for fixed in row["fixed_ips"] or []]
    if draft.kind == "security_groups":
        keys += [f"address_groups:{rule['remote_address_group_id']}" for rule in row["rules"]]
    if draft.kind == "load_balancers":
        keys += [f"subnets:{id_}" for id_ in balancers.subnet_ids(row)]
        keys += [f"security_groups:{id_}" for id_ in row["vip_security_group_ids"] or ()]
        keys += [f"floating_ips:{fip['id']}" for fip in row["floating_ips"]]
    if draft.kind == "trunks":
        keys += [f"ports:{id_}" for id_ in trunks.subport_ids(row)]
    if draft.kind == "rbac_policies":
        keys.append(policies.object_key(row))
    if draft.kind == "routers":
        gateway = row["external_gateway"] or {}
        keys.append(f"networks:{gateway.get('network_id')}")
        keys.append(f"qos_policies:{gateway.get('qos_policy_id')}")
        keys += [f"subnets:{fixed['subnet_id']}" for fixed in row["target_addresses"]]
        keys += [f"subnets:{f['subnet_id']}" for p in row["interfaces"] for f in p["fixed_ips"]]
    if draft.kind == "volume_types":
        keys += [f"projects:{id_}" for id_ in row["access_project_ids"] or ()]
    if draft.kind == "quotas" and row["service"] == "volume":
        keys += [
            f"volume_types:{t['id']}"
            for t in source.rows("volume_types")
            if row["limits"].keys() & set(quota_sets.of_type(t["name"]))
        ]
    if draft.kind in ("volumes", "snapshots"):
        types = source.where("volume_types", "name", row["volume_type"])
        keys += [f"volume_types:{t['id']}" for t in types]
    return keys


def _floating(server: Row, source: Estate) -> list[str]:
    """Return the floating IPs that lead to a server, or did before its cut-over was cut short."""
    bound = [
        fip["id"]
        for port in [*server["ports"], *server["subports"]]
        for fip in source.where("floating_ips", "port_id", port["id"])
    ]
    return [
        *bound,
        *(each["id"] for each in server["forwardings"]),
        *forwardings.taken_off(server),
    ]


def _needed(draft: Draft, source: Estate) -> Iterable[str]:
    """
    Return the keys of all that *draft* cannot be whole without.

    That is what it refers to, and what need not be there before it: the groups that rules name.
    """
    keys = [*_referred(draft, source)]
    if draft.kind == "security_groups":
        keys += [f"security_groups:{rule['remote_group_id']}" for rule in draft.row["rules"]]
    return keys


def _along(draft: Draft, source: Estate) -> Iterable[str]:
    """Return the keys of what *draft* needs, and of a server the routers to its floating IPs."""
    keys = [*_needed(draft, source)]
    if draft.kind == "servers" and _floating(draft.row, source):
        keys += _routers(draft.row, source)
    return keys


def _routers(server: Row, source: Estate) -> list[str]:
    """Return the keys of the routers on a server's networks."""
    ports = [*server["ports"], *server["subports"]]
    networks = dict.fromkeys(port["network_id"] for port in ports)
    return [f"routers:{id_}" for net in networks for id_ in routers.on_network(net, source)]


def _leave_alone(draft: Draft, reason: str) -> None:
    draft.match = Match(Action.SKIP, draft.match.target_id, reason)
    draft.problems, draft.losses = [], []


def _left_out(
    every: list[Draft], what: Chosen, made: Translation, target: Estate, wishes: Wishes
) -> list[Draft]:
    """Return drafts of what is left out and needed all the same, with what the target has."""
    there = {draft.key for draft in every}
    needed = {key for draft in every for key in _needed(draft, made.estate)} - there
    whole = closure(made.estate, what.model_copy(update={"left_out": {}}))
    rows = {k: [r for r in of if f"{k}:{r['id']}" in needed] for k, of in whole.items()}
    found = drafts(rows, made, target, wishes.mover, wishes.movers)
    for draft in found:
        if draft.match.action is Action.CONFLICT:
            draft.match = replace(draft.match, target_id=None)
        _leave_alone(draft, LEFT_OUT)
    return found


LACKING = {
    SKIPPED: "which the plan skips; skip it too, or not that.",
    LEFT_OUT: "left out by --exclude and not at the target; leave it out too, or not that.",
}
"""By why something stays: what is said of it to what needs it."""


def _say_lacking(every: list[Draft], source: Estate) -> None:
    """Block what needs something that stays and that the target does not have."""
    lacking = {
        draft.key: draft
        for draft in every
        if draft.match.reason in LACKING and draft.match.target_id is None
    }
    for draft in every if lacking else ():
        needed = dict.fromkeys(_needed(draft, source)) if draft.is_moved else ()
        for reason, words in LACKING.items():
            those = [lacking[key] for key in needed if key in lacking]
            named = [f"{d.kind} {d.label}" for d in those if d.match.reason == reason]
            if named:
                draft.problems.append(f"It needs {', '.join(named)}, {words}")


def _duration(items: tuple[Item, ...], wishes: Wishes) -> Duration:
    moved = [item for item in items if item.action in (Action.CREATE, Action.UPDATE)]
    apart = [
        item
        for item in moved
        if item.kind in ("images", "snapshots")
        or (item.kind == "volumes" and not item.row["attachments"])
    ]
    # One that is stopped is missed by nobody, and takes its time all the same.
    servers = [item for item in moved if item.kind == "servers"]
    cutovers = [wishes.rates.downtime_s(item.size_bytes) for item in servers]
    longest = max((item.downtime_estimate_s for item in servers), default=0)
    large = ("images", "snapshots", "volumes", "servers")
    small = sum(item.kind not in large for item in moved)
    copies = [wishes.rates.copy_s(item.size_bytes) for item in apart]
    return Duration(
        preparation_s=preparation_s(small, copies, wishes.parallel_copies),
        cutovers_s=makespan_s(cutovers, wishes.parallel_cutovers),
        longest_downtime_s=longest,
    )
