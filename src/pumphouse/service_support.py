"""Whether the target's Designate and Octavia take what a plan asks of them."""

from collections.abc import Hashable, Iterator

from pumphouse import balancer_limits, balancers, zones
from pumphouse.checks import migrated
from pumphouse.drafts import Draft, moved
from pumphouse.estate import Estate
from pumphouse.tables import Row
from pumphouse.translation import Translation


def service_support(every: list[Draft], made: Translation, target: Estate) -> None:
    """Block DNS zones and load balancers that the target would refuse, or that would not work."""
    _zones(every, made.estate, target)
    planned = {draft.row["id"] for draft in every if draft.kind == "servers"}
    for draft in moved(every, "load_balancers"):
        row = draft.row
        draft.problems += balancer_limits.problems(row, made.estate)
        draft.problems += _offered(row, draft.name, made, target)
        draft.problems += _behind(row, draft.name, planned, made.estate)
        if row["strangers"]:
            draft.losses.append(
                f"Nothing of this cloud are its members {', '.join(row['strangers'])}: see that "
                "the target reaches them."
            )
    vips = {
        port for row in made.estate.rows("load_balancers") for port in balancers.vip_ports(row)
    }
    for draft in moved(every, "ports"):
        if draft.row["id"] in vips:
            draft.problems.append(
                "It is the address of a load balancer, which brings it; leave the port out."
            )


def _lacks(target: Estate, service: str) -> bool:
    """Tell whether the target's catalogue is known and does not have *service*."""
    there = target.rows("services")
    return bool(there) and not any(row["type"] == service for row in there)


def _zones(every: list[Draft], source: Estate, target: Estate) -> None:
    owners: dict[str, Hashable] = {
        row["name"]: target.label("projects", row["project_id"]) for row in target.rows("zones")
    }
    drafted = [draft for draft in every if draft.kind == "zones"]
    owners |= {draft.name: draft.project for draft in drafted}
    clashes = zones.clashes(owners)
    for draft in moved(drafted, "zones"):
        draft.problems += zones.problems(draft.row, source)
        if _lacks(target, zones.SERVICE):
            draft.problems.append(
                "The target has no DNS service (Designate); install one, or leave the zone out "
                f"(--exclude zones:{draft.name})."
            )
        for other in clashes.get(draft.name, ()):
            draft.problems.append(
                f"Zone {other} is of project {owners[other]}, and Designate makes no zone above "
                "or below that of another project; make it in that project, and transfer it then "
                "(openstack zone transfer)."
            )


def _offered(row: Row, name: str, made: Translation, target: Estate) -> Iterator[str]:
    """Yield what of a load balancer the target's Octavia does not offer."""
    out = f"or leave it out (--exclude load_balancers:{name})"
    if _lacks(target, balancers.SERVICE):
        yield f"The target has no load balancing (Octavia); install it, {out}."
        return
    providers = {each["name"] for each in target.rows("lb_providers")}
    if providers and row["provider"] not in providers:
        yield (
            f"The target has no provider {row['provider']} ({', '.join(sorted(providers))}); "
            f"enable it there, {out}."
        )
    if row["flavor_id"] and not row["target_flavor_id"]:
        flavor = made.estate.get("lb_flavors", row["flavor_id"]) or {"name": row["flavor_id"]}
        yield (
            f"The target has no enabled flavor {flavor['name']} of load balancers; make it, {out}."
        )
    known = set(made.mappings.tls_containers.values())
    if missing := [ref for ref in balancer_limits.refs(row) if ref not in known]:
        yield (
            f"Its certificates are in the source's key manager ({', '.join(missing)}), and "
            "secrets do not travel: store them in the target's, let its Octavia read them, and "
            f"name them in mappings.tls_containers, {out}."
        )


def _behind(row: Row, name: str, planned: set[str], source: Estate) -> Iterator[str]:
    """Yield the servers behind a load balancer that would stay: its address goes as a whole."""
    for id_ in row["server_ids"]:
        server = source.get("servers", id_)
        if server and id_ not in planned and not migrated(server):
            yield (
                f"Behind it is server {server['name']} ({id_}), which is not in the plan; select "
                f"that too, or leave the load balancer out (--exclude load_balancers:{name})."
            )
