"""
DNS zones: what of them is carried, and what only people can do.

Designate takes no mark that we could leave: tags it has none of, and attributes may choose a
zone's pool. While a copy is in the making its description is the mark; a whole one is known by
its name, in a project that is ours.
"""

from collections.abc import Hashable, Iterator, Mapping
from ipaddress import ip_address

from pumphouse.estate import Estate
from pumphouse.tables import Row

SAME = ("name", "type", "ttl", "records", "description")
"""What a copy of a record set has of it."""

SERVICE = "dns"
TYPES = ("PRIMARY", "SECONDARY")


def chosen(rows: list[Row], estate: Estate) -> list[Row]:
    """
    Return zones with their ``recordsets``, each after the one that it lies in.

    A set that delegates a zone is refused once that zone is there: so its parent comes first.
    """
    whole = [{**row, "recordsets": carried(row, estate)} for row in rows]
    return sorted(whole, key=lambda row: (row["name"].count("."), row["name"]))


def carried(zone: Row, estate: Estate) -> list[Row]:
    """Return the record sets of a zone that are its tenant's: not its pool's SOA and NS."""
    if zone["type"] == "SECONDARY":
        return []
    return [
        {name: row[name] for name in SAME}
        for row in estate.where("recordsets", "zone_id", zone["id"])
        if row["records"] and row["action"] != "DELETE" and not is_managed(row, zone)
    ]


def is_managed(row: Row, zone: Row) -> bool:
    """Tell whether a record set is its pool's."""
    is_apex = row["type"] == "NS" and row["name"] == zone["name"]
    return bool(row["type"] == "SOA" or is_apex)


def name_servers(zone: Row, estate: Estate) -> list[str]:
    """Return the names of a zone's name servers, as its pool wrote them."""
    apex = [
        name
        for row in estate.where("recordsets", "zone_id", zone["id"])
        if row["type"] == "NS" and row["name"] == zone["name"]
        for name in row["records"] or ()
    ]
    return sorted(set(apex))


def must(row: Row, estate: Estate) -> Row:
    """Return what must be equal of zones of one name."""
    facts = {"project": estate.label("projects", row["project_id"]), "type": row["type"]}
    if row["type"] == "SECONDARY":
        return {**facts, "masters": sorted(row["masters"] or ())}
    return {**facts, "email": row["email"], "ttl": row["ttl"]}


def parts(row: Row, estate: Estate) -> frozenset[Hashable]:
    """Return what the record sets of a zone say."""
    sets = row.get("recordsets")
    if sets is None:
        sets = carried(row, estate)
    return frozenset((s["name"], s["type"], s["ttl"], *sorted(s["records"])) for s in sets)


def losses(row: Row, source: Estate) -> Iterator[str]:
    """Yield what a zone's copy will not have, and what somebody must do outside the clouds."""
    servers = ", ".join(name_servers(row, source))
    if row["type"] == "PRIMARY":
        yield (
            f"Its delegation: who serves the zone above it names the source's name servers"
            f"{f' ({servers})' if servers else ''} until somebody enters the target's there."
        )
    elif row["type"] == "SECONDARY":
        masters = ", ".join(row["masters"] or ())
        yield f"Its masters ({masters}): they must allow transfers to the target's name servers."
    if row["attributes"]:
        given = ", ".join(f"{name}={value}" for name, value in sorted(row["attributes"].items()))
        yield f"Its attributes ({given}): the target chooses the pool."
    if row["is_shared"]:
        yield "Its shares with other projects: make them at the target."


def reverse_losses(row: Row, source: Estate) -> Iterator[str]:
    """
    Yield what a floating IP's copy will not have of the reverse DNS of its address.

    Designate keeps the name in a zone of its own, and lets only the project that has the address
    set it. In a zone of that project it is a record set as any other.
    """
    pointer = ip_address(row["floating_ip_address"]).reverse_pointer
    for found in source.where("recordsets", "name", f"{pointer}."):
        if found["type"] == "PTR" and found["project_id"] != row["project_id"]:
            names = " ".join(found["records"] or ())
            yield (
                f"Its PTR record ({names}): as its project, set it at the target once the "
                f"address is there (openstack ptr record set REGION:FLOATING_IP {names})."
            )


def problems(row: Row, source: Estate) -> Iterator[str]:
    """Yield why a zone cannot be carried."""
    if row["type"] not in TYPES:
        yield f"It is a {row['type']} zone, which Designate makes for a pool; leave it out."
    if row["action"] == "DELETE":
        yield "It is being deleted; leave it out."


def above(name: str) -> Iterator[str]:
    """Yield the names of the zones that *name* could lie in, the nearest first."""
    while "." in name.rstrip("."):
        name = name.partition(".")[2]
        yield name


def directly_below(name: str, estate: Estate) -> list[Row]:
    """Return the zones of which *name* is the nearest one above."""

    def parent(row: Row) -> str | None:
        return next((n for n in above(row["name"]) if estate.where("zones", "name", n)), None)

    return estate.grouped("zones", "parent", parent).get(name, [])


def clashes(owners: Mapping[str, Hashable]) -> dict[str, list[str]]:
    """Return, by name, the zones above and below it that belong to another owner."""
    found: dict[str, list[str]] = {}
    for name, owner in owners.items():
        for other in above(name):
            if other in owners and owners[other] != owner:
                found.setdefault(name, []).append(other)
                found.setdefault(other, []).append(name)
    return found


def staying(row: Row, copy: Row, source: Estate, target: Estate) -> str:
    """Return in what a zone's copy no longer equals it, as a sentence; empty when it does."""
    lost = parts(row, source) - parts(copy, target)
    if lost:
        names = sorted({f"{part[0]} {part[1]}" for part in lost if isinstance(part, tuple)})
        return f"Its copy lacks or has changed {len(lost)} record set(s): {', '.join(names)}."
    if must(row, source) != must(copy, target):
        return "Its copy has another type, mail address, TTL or other masters by now."
    both = sorted(set(name_servers(row, source)) & set(name_servers(copy, target)))
    if both:
        return (
            f"Both clouds publish it on {', '.join(both)}, where deleting one may delete the "
            "other; abandon it (openstack zone abandon)."
        )
    return ""
