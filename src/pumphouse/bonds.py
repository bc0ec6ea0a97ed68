"""
What ties servers to each other, so that they can only move, return and be finalized together.

A volume that several servers use has one set of bytes: they must all be stopped when it is
copied. A floating IP that forwards ports to several servers is at one cloud or at the other.
"""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from pumphouse.tables import Row


class Bond(BaseModel):
    """
    One thing that several servers share.

    Attributes:
        kind: ``volumes`` or ``floating_ips``.

        servers: Ids of the source's servers.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    id: str
    name: str
    servers: tuple[str, ...]

    @property
    def label(self) -> str:
        """As sentences have it."""
        if self.kind == "volumes":
            return f"volume {self.name} ({self.id})"
        return f"the port forwardings of floating IP {self.name}"


def users(volume: Row) -> list[str]:
    """Return the ids of the servers that a volume is attached to, each once, in order."""
    found = {entry["server_id"] for entry in volume.get("attachments") or ()}
    return sorted(found - {None, ""})


def holders(servers: Iterable[Row]) -> dict[str, list[str]]:
    """Return, by the id of a volume, the ids of the servers that Nova says have it."""
    found: dict[str, list[str]] = {}
    for server in servers:
        for entry in server["volumes"] or ():
            found.setdefault(entry["id"], []).append(server["id"])
    return found


def attachments(volume: Row, held_by: Iterable[str]) -> list[Row]:
    """
    Return a volume's attachments, with those to servers that only Nova knows of.

    Cinder shows a volume as reserved, and not for whom, when its server is shelved and offloaded.
    """
    known = volume["attachments"] or []
    more = [id_ for id_ in held_by if id_ not in users(volume)]
    none = {"device": None, "attachment_id": None}
    return [*known, *({"server_id": id_, **none} for id_ in more)]


def is_shared(volume: Row) -> bool:
    """Tell whether a volume is attached to several servers."""
    return len(users(volume)) > 1


def shared(server: Row) -> list[Row]:
    """Return the volumes of a server, as a closure has it, that others use too."""
    return [volume for volume in server["attached"] if is_shared(volume)]


def bonds(servers: Iterable[Row]) -> list[Bond]:
    """Return what ties *servers*, as a closure has them, to each other or to others."""
    found: dict[tuple[str, str], Bond] = {}
    for row in servers:
        for volume in shared(row):
            name, id_ = volume["name"] or volume["id"], volume["id"]
            bond = Bond(kind="volumes", id=id_, name=name, servers=tuple(users(volume)))
            found["volumes", id_] = bond
        for each in row.get("forwardings", ()):
            if len(each["servers"]) > 1:
                found["floating_ips", each["id"]] = Bond(
                    kind="floating_ips",
                    id=each["id"],
                    name=each["address"],
                    servers=tuple(each["servers"]),
                )
    return list(found.values())


def joined(sets: Iterable[Iterable[str]]) -> list[frozenset[str]]:
    """Return *sets* of ids, those that have a member in common as one."""
    found: list[frozenset[str]] = []
    for each in sets:
        mine = frozenset(each)
        touching = [other for other in found if other & mine]
        found = [other for other in found if not other & mine]
        found.append(mine.union(*touching))
    return found


def groups(asked: Sequence[frozenset[str]], servers: Iterable[Row]) -> list[frozenset[str]]:
    """
    Return the ids of servers that move together.

    asked: Groups that the operator wants.
    """
    return joined([*asked, *(bond.servers for bond in bonds(servers))])
