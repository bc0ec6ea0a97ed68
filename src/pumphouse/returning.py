"""What stands in the way of a migrated server's return to the source, and what it would cost."""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from itertools import product
from typing import Any

from pydantic import BaseModel, ConfigDict

from pumphouse import balancers
from pumphouse.bonds import bonds, groups
from pumphouse.checks import RETURNED, RETURNING, is_half_way, migrated, was
from pumphouse.comparison import mark
from pumphouse.estate import Estate
from pumphouse.models import Mover
from pumphouse.movers import noted
from pumphouse.plan import Item
from pumphouse.tables import Row

HARMLESS = frozenset({"create", "stop", "lock", "unlock"})
"""Actions of Nova by which a copy that arrives stopped wrote nothing of its own."""


BACK = "back"
"""What the journal says of a server that only has to be forgotten."""

CHECKED = "checked"
"""A word of the journal: it works at the source, and is not taken back any more."""


def is_committed(metadata: Mapping[str, str] | None) -> bool:
    """Tell whether a server's return came so far that it works at the source."""
    words = (metadata or {}).get(RETURNING, "").split()
    return BACK in words or CHECKED in words


class What(StrEnum):
    """What a rollback does with one server."""

    RETURN = "return"
    TAKE_BACK = "take back"
    DELETE_COPY = "delete copy"
    NOTHING = "nothing"


class Verdict(BaseModel):
    """
    What a rollback makes of one server, or of one volume that no server uses.

    Attributes:
        server: Its name and id.

        kind: ``Server`` or ``Volume``.

        losses: What its return loses, as sentences: only if the operator says so.

        refusal: Why it cannot return at all; empty for most.
    """

    model_config = ConfigDict(frozen=True)

    server: str
    kind: str = "Server"
    what: What
    reason: str = ""
    losses: tuple[str, ...] = ()
    refusal: str = ""

    def obstacles(self, discards_changes: bool) -> list[str]:
        """Return why it is not done, as sentences; none when it is."""
        if self.refusal:
            return [f"{self.kind} {self.server}: {self.refusal}"]
        if discards_changes or not self.losses:
            return []
        lost = " ".join(self.losses)
        return [
            f"{self.kind} {self.server}: {lost} Say --discard-changes to return it all the same."
        ]


def copy_id(item: Item) -> str | None:
    """Return the id of the copy that a finished cut-over noted, or that carries the source's."""
    return migrated(item.row) or item.target_id


def outgrown(volume: Row, gib: int, snapshots: int) -> str:
    """
    Return what became of a volume at the target that the source cannot have back; or nothing.

    volume: Of the source, handed over and not copied.
    gib, snapshots: The size that the target's Cinder knows, and how many snapshots it has of it.
    """
    if snapshots:
        return (
            f"has {snapshots} snapshot(s) at the target, which would be lost with its image; "
            "delete them there"
        )
    if gib != volume["size_gib"]:
        return (
            f"has {gib} GiB at the target, and {volume['size_gib']} at the source, whose Cinder "
            "would cut it off; copy what is in it to a new volume of the source"
        )
    return ""


def unreturnable(volume: Row, target: Estate) -> str:
    """Return `outgrown` of a volume's copy in the tables of the *target*."""
    copies = target.grouped("volumes", "mark", mark).get(volume["id"], [])
    found = [
        outgrown(volume, copy["size_gib"], len(target.where("snapshots", "volume_id", copy["id"])))
        for copy in copies
    ]
    return next(filter(None, found), "")


def handed(item: Item) -> list[Row]:
    """Return the volumes of a server that were handed over and not copied."""
    return [v for v in item.row["attached"] if item.movers.get(v["id"]) is Mover.MANAGE]


def verdict(
    item: Item,
    copy: Row | None,
    actions: Sequence[Mapping[str, Any]],
    deletes_copy: bool,
    target: Estate,
) -> Verdict:
    """
    Return what a rollback makes of the server of *item*.

    copy: Its copy in the target's table; None when it is gone.
    actions: What Nova did with the copy, newest first, as ``os-instance-actions`` has it.
    deletes_copy: Whether copies are deleted, also those that an earlier rollback left.
    target: Where its volumes are now.
    """
    metadata = item.row["metadata"] or {}
    if not migrated(item.row) and RETURNING not in metadata:
        if is_half_way(metadata):
            return Verdict(
                server=item.label,
                what=What.TAKE_BACK,
                reason=f"Its cut-over was cut short and left it {item.row['status']}; that is "
                "taken back, unless a run is at it.",
                losses=tuple(losses(item, copy, actions)) if copy else (),
            )
        if copy and RETURNED in (copy["metadata"] or {}) and deletes_copy:
            reason = f"Its old copy {copy['id']} is deleted."
            return Verdict(server=item.label, what=What.DELETE_COPY, reason=reason)
        reason = "It is at the source: it was not migrated, or was returned before."
        return Verdict(server=item.label, what=What.NOTHING, reason=reason)
    if RETURNING in metadata:
        reason = "A return that was cut short is carried on."
        return Verdict(server=item.label, what=What.RETURN, reason=reason)
    refusal = " ".join(
        f"Its volume {volume['name']} ({volume['id']}) {words}."
        for volume in handed(item)
        if noted(volume) and (words := unreturnable(volume, target))
    )
    if item.row["status"] not in ("SHUTOFF", "ACTIVE") or item.row["task_state"]:
        busy = f" and {item.row['task_state']}" if item.row["task_state"] else ""
        refusal = f"It is {item.row['status']}{busy} at the source; repair that first."
    return Verdict(
        server=item.label,
        what=What.RETURN,
        reason=f"It returns from {copy_id(item)}.",
        losses=tuple(losses(item, copy, actions)),
        refusal=refusal,
    )


def parted(items: Sequence[Item], found: Mapping[str, Verdict], source: Estate) -> dict[str, str]:
    """
    Return, by the id of a server of *items* that would return, why it cannot: others stay behind.

    found: What a rollback makes of each, by its id.
    """
    said: dict[str, str] = {}
    ways: tuple[tuple[What, Callable[[Row], object], str], ...] = (
        (What.RETURN, migrated, "at the target"),
        (What.TAKE_BACK, _is_on_its_way, "half-way to the target"),
    )
    for bond, (what, is_away, where) in product(bonds(item.row for item in items), ways):
        back = [i for i in bond.servers if i in found and found[i].what is what]
        rows = [source.get("servers", i) for i in bond.servers if i not in back]
        left = [row for row in rows if row and is_away(row)]
        names = ", ".join(f"{row['name']} ({row['id']})" for row in left)
        for id_ in back if left else ():
            said[id_] = (
                f"It shares {bond.label} with {names} {where}, and they can only return "
                "together; name all of them."
            )
    return said


def _is_on_its_way(row: Row) -> bool:
    return is_half_way(row["metadata"]) and not migrated(row)


def together(items: Sequence[Item], found: Mapping[str, Verdict]) -> list[list[Item]]:
    """Return the servers that return together; those that are done with it go by themselves."""
    todo = [
        item
        for item in items
        if found[item.source_id].what is What.RETURN and not is_committed(item.row["metadata"])
    ]
    sets = groups((), (item.row for item in todo))
    return [those for each in sets if (those := [i for i in todo if i.source_id in each])]


def losing(ids: Collection[str], source: Estate, target: Estate) -> list[str]:
    """
    Return what is to be done by hand about load balancers, a sentence each.

    ids: Servers that return; behind a load balancer's copy they are missed, and it stays.
    """
    found = []
    for row in balancers.chosen(source.rows("load_balancers"), source):
        copies = target.grouped("load_balancers", "mark", mark).get(row["id"], [])
        if not copies or not set(row["server_ids"]) & set(ids):
            continue
        bound = balancers.floating_ips(copies[0], target)
        addresses = ", ".join(fip["floating_ip_address"] for fip in bound)
        then = f", then bind {addresses} at the source again" if bound else ""
        found.append(
            f"Servers behind load balancer {row['name']} ({row['id']}) return, and its copy "
            f"{copies[0]['id']} stays at the target without them: delete it there (openstack "
            f"loadbalancer delete --cascade {copies[0]['id']}){then}."
        )
    return found


def volume_verdict(item: Item, copy: Row | None, target: Estate) -> Verdict | None:
    """
    Return what a rollback makes of a volume: it returns if it was handed over by itself.

    A volume that was copied is at the source as it was. One of a server goes with that.
    """
    if item.mover is not Mover.MANAGE or item.row["attachments"] or noted(item.row) is None:
        return None
    users = [a["server_id"] for a in (copy["attachments"] or [] if copy else [])]
    words = unreturnable(item.row, target)
    refusal = f"It {words}." if words else ""
    if users:
        refusal = f"Server {', '.join(users)} of the target uses it; detach it there."
    return Verdict(
        server=item.label,
        kind="Volume",
        what=What.RETURN,
        reason="It was handed over and not copied; it returns as it is now.",
        refusal=refusal,
    )


def losses(item: Item, copy: Row | None, actions: Sequence[Mapping[str, Any]]) -> list[str]:
    """
    Return what a return loses of a copy, as sentences.

    A volume that was handed over and not copied loses nothing: it returns as it is.

    A copy that ran wrote to its disks: nobody can tell whether that matters. One that arrived
    stopped and was not started since wrote nothing but what its one boot at its arrival did.
    """
    row = item.row
    back = [volume["id"] for volume in handed(item)]
    if copy is None:
        return ["Its copy is gone, and with it whatever was written there."]
    found = []
    if back and not row["image_id"] and len(back) == len(row["attached"]):
        return _changed(row, copy)
    if was(row) == "ACTIVE":
        since = copy["launched_at"] or copy["created_at"]
        found.append(
            f"Its copy {copy['id']} has run since {since}: what was written there since is not "
            "at the source, and is lost."
        )
    elif done := sorted({str(a["action"]) for a in actions} - HARMLESS):
        found.append(
            f"Its copy {copy['id']} was changed since it arrived ({', '.join(done)}): what was "
            "written there is not at the source, and is lost."
        )
    if found and back:
        found.append(
            f"But its volume(s) {', '.join(back)} return as they are now: they may not fit the "
            "rest, which is older."
        )
    return found + _changed(row, copy)


def _changed(row: Row, copy: Row) -> list[str]:
    new = len(copy["volumes"] or []) - len(row["volumes"] or [])
    if not new:
        return []
    return [f"{abs(new)} volume(s) were {'attached' if new > 0 else 'detached'} since."]
