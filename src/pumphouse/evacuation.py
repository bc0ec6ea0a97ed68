"""
How a host is emptied: the answer for each of its servers, and every problem at once.

Pure. Nova's scheduler has the last word on where a server goes; what is said here before the
first change is what it would refuse for certain.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from pumphouse.errors import ConfigError
from pumphouse.estate import Estate
from pumphouse.leaving import LEAVING, Asked, Way, metadata_of, notes, way
from pumphouse.maintenance_options import MaintenanceOptions
from pumphouse.models import Strategy
from pumphouse.placing import Needs, needs, place, rooms
from pumphouse.tables import Row

__all__ = ["Asked", "Evacuation", "MaintenanceOptions", "Move", "Strategy", "Way", "evacuation"]


class Move(BaseModel):
    """
    One server and how it leaves.

    Attributes:
        way: How it is tried first.

        fallback: What is tried when that fails; None when nothing is.

        reason: Why so; of a server that cannot move why, and what would help.

        expected: A host that has room for it; Nova may choose another.

        notes: What an operator should know before.
    """

    model_config = ConfigDict(frozen=True)

    server_id: str
    name: str
    project: str = ""
    status: str
    way: Way
    fallback: Way | None = None
    reason: str
    needs: Needs
    expected: str = ""
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name and id, as every message has them."""
        return f"{self.name} ({self.server_id})"


class Evacuation(BaseModel):
    """Everything about emptying one host, before anything is touched."""

    model_config = ConfigDict(frozen=True)

    host: str
    is_dead: bool
    moves: tuple[Move, ...]
    problems: tuple[str, ...]


def evacuation(estate: Estate, asked: Asked, unconfirmed: Sequence[Row] = ()) -> Evacuation:
    """
    Return how every server leaves the host, and every problem at once.

    unconfirmed: Nova's migrations away from the host that wait to be confirmed, as its API has
        them: their servers live elsewhere but hold room and disks here.

    Raises:
        ConfigError: The host, or the one that everything shall go to, does not exist.
    """
    service = _service(estate, asked.host)
    is_up = service["state"] == "up" and not service["is_forced_down"]
    is_dead = not is_up or _is_killed(asked)
    problems = [*_destination_problems(estate, asked), *_life_problems(asked, service, is_up)]
    moves = [_move(estate, row, asked, is_dead) for row in leavers(estate, asked.host)]
    problems += [f"Server {m.label}: {m.reason}" for m in moves if m.way is Way.NONE]
    problems += _unconfirmed(estate, asked.host, unconfirmed)
    rows = {row["id"]: row for row in estate.rows("servers")}
    movers = [
        move
        for move in moves
        if move.way not in (Way.NONE, Way.OFFLOAD) and rows[move.server_id]["host"] == asked.host
    ]
    there = rooms(estate, asked.host, asked.to_host)
    places, lacking = place([(rows[m.server_id], m.needs) for m in movers], there, estate)
    problems += [f"Server {rows[id_]['name']} ({id_}): {why}" for id_, why in lacking.items()]
    moves = [m.model_copy(update={"expected": places.get(m.server_id, "")}) for m in moves]
    return Evacuation(
        host=asked.host, is_dead=is_dead, moves=tuple(moves), problems=tuple(problems)
    )


def leavers(estate: Estate, host: str) -> list[Row]:
    """Return the servers on *host*, and those that we moved off it and were not done with."""
    return [
        row
        for row in estate.rows("servers")
        if row["host"] == host or metadata_of(row).get(LEAVING) == host
    ]


def _service(estate: Estate, host: str) -> Row:
    """Return nova-compute's row of *host*."""
    found = [r for r in estate.rows("compute_services") if r["binary"] == "nova-compute"]
    for row in found:
        if row["host"] == host:
            return row
    hosts = ", ".join(sorted(row["host"] for row in found)) or "none"
    raise ConfigError("host", [f"The source has no compute host {host!r}; there are {hosts}."])


def _is_killed(asked: Asked) -> bool:
    """Tell whether a host is to be powered off though it lives: only when both words say so."""
    return asked.fence and asked.options.strategy is Strategy.EVACUATE


def _destination_problems(estate: Estate, asked: Asked) -> list[str]:
    """Return what is wrong with the host that everything shall go to."""
    if not asked.to_host:
        return []
    there = _service(estate, asked.to_host)
    if asked.to_host == asked.host:
        return [f"Servers cannot go from {asked.host} to itself; name another host."]
    if there["state"] != "up" or there["status"] != "enabled" or there["is_forced_down"]:
        is_down = "down" if there["state"] != "up" else "disabled"
        return [f"Host {asked.to_host} is {is_down}; name one that is enabled and up."]
    return []


def _life_problems(asked: Asked, service: Row, is_up: bool) -> list[str]:
    """Return what contradicts in whether the host lives and what is asked."""
    host, strategy = asked.host, asked.options.strategy
    if is_up and asked.fence and not _is_killed(asked):
        return [
            f"Host {host} is up ({service['status']}), and fencing it would cut off what runs "
            "there; leave out --fence to move its servers, or say --strategy evacuate too if it "
            "shall be powered off all the same."
        ]
    if is_up and strategy is Strategy.EVACUATE and not asked.fence:
        return [
            f"Host {host} is up ({service['status']}), and only a dead host can be "
            "evacuated; use auto, live or cold, or power it off first (--fence)."
        ]
    if not is_up and strategy in (Strategy.LIVE, Strategy.COLD):
        return [
            f"Host {host} is down, so nothing moves {strategy.value} from it; bring its "
            "nova-compute back, or fence the host and evacuate it."
        ]
    if not is_up and not (asked.is_fenced or asked.fence):
        return [
            f"Host {host} is down but may still run its servers: two would hold the same "
            "disks and addresses. Let its BMC power it off (--fence), or power it off yourself "
            "and say so (--fenced), or bring its nova-compute back."
        ]
    return []


def _unconfirmed(estate: Estate, host: str, migrations: Sequence[Row]) -> list[str]:
    problems = []
    for raw in migrations:
        row = estate.get("servers", raw["instance_uuid"])
        if row is None or row["host"] == host or metadata_of(row).get(LEAVING) == host:
            continue
        problems.append(
            f"Server {row['name']} ({row['id']}) was resized away from this host to "
            f"{row['host']}, and its old disk is still here; confirm or revert that."
        )
    return problems


def _move(estate: Estate, row: Row, asked: Asked, is_dead: bool) -> Move:
    chosen, fallback, reason = way(row, asked, is_dead)
    return Move(
        server_id=row["id"],
        name=row["name"] or row["id"],
        project=estate.label("projects", row["project_id"]) or "",
        status=row["status"],
        way=chosen,
        fallback=fallback,
        reason=reason,
        needs=needs(row),
        notes=notes(row, chosen, asked),
    )
