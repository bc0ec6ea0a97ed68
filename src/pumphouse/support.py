"""Whether the target supports what a plan asks for: volume types, image formats, zones, groups."""

from pumphouse import bonds, flavors, volume_types
from pumphouse.comparison import is_unfinished
from pumphouse.drafts import Draft, moved, project_there
from pumphouse.estate import Estate
from pumphouse.mappings import Mappings, PlaceMapping
from pumphouse.models import Action, Mover
from pumphouse.passwords import is_of_directory
from pumphouse.service_support import service_support
from pumphouse.tables import Row
from pumphouse.ties import tie
from pumphouse.translation import Translation

BOOTABLE = {
    "QEMU": frozenset({"raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami"}),
    "KVM": frozenset({"raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami"}),
    "VMware vCenter Server": frozenset({"vmdk", "iso"}),
}
"""Disk formats that hypervisors of a type boot from; of other types nothing is known."""

ALIKE = {
    "qemu": {"qemu", "kvm"},
    "kvm": {"qemu", "kvm"},
    "vmware": {"vmware vcenter server"},
}
"""What images call a hypervisor, and what Nova may."""


def support(every: list[Draft], made: Translation, target: Estate) -> None:
    """Block what the target does not support, each with what would help."""
    _branches(every, made.estate, target)
    _volumes(every, made, target)
    _images(every, made.estate, target)
    _users(every)
    _default_projects(every, made.estate, target)
    _flavors(every, made, target)
    _places(every, made, target)
    tie(every, made.estate)
    service_support(every, made, target)


def _users(every: list[Draft]) -> None:
    for draft in moved(every, "users"):
        if provider := draft.row["identity_provider"]:
            draft.problems.append(
                f"It is of the identity provider {provider} (federation), which makes it at its "
                "first login: let it log in once at the target, or name a user in "
                "mappings.users.names."
            )
        elif is_of_directory(draft.row):
            draft.problems.append(
                "A directory (LDAP) holds this user, and the target does not see it: connect the "
                "domain at the target to that directory, or name a user in mappings.users.names."
            )


def _default_projects(every: list[Draft], source: Estate, target: Estate) -> None:
    """Give users the default projects that are at the target already, and say which are lost."""
    coming = {
        draft.row["id"]
        for draft in every
        if draft.kind == "projects"
        and (draft.is_moved or draft.match.target_id or draft.merged_into)
    }
    for draft in moved(every, "users"):
        default = source.get("projects", draft.row["default_project_id"])
        if default is None or default["id"] in coming:
            continue
        if there := project_there(default["id"], source, target):
            draft.row = {**draft.row, "target_default_project_id": there["id"]}
        else:
            draft.losses.append(
                f"Its default project {source.label('projects', default['id'])}, which neither "
                "moves nor is at the target."
            )


MADE_INSIDE = ("projects", "servers", "volumes", "snapshots", "server_groups")
"""Kinds that cannot be made in what is disabled: others the administrator makes for it."""


def _branches(every: list[Draft], source: Estate, target: Estate) -> None:
    """Block what would be made in a project or domain that is disabled."""
    said: dict[str, str] = {}
    there = {d.row["id"]: d.match.target_id for d in every if d.kind in ("projects", "domains")}
    for draft in every:
        if draft.kind not in MADE_INSIDE or draft.match.action is not Action.CREATE:
            continue
        above = draft.row["parent_id"] if draft.kind == "projects" else draft.row["project_id"]
        home = draft.row["domain_id"] if draft.kind == "projects" else None
        for id_ in (above, home):
            if id_ and id_ not in said:
                said[id_] = _disabled(id_, there, source, target)
        problems = [said[id_] for id_ in (above, home) if id_ and said[id_]]
        draft.problems += problems[:1]


def _disabled(id_: str, there: dict[str, str | None], source: Estate, target: Estate) -> str:
    """Return which of a project, those above it and its domain is disabled, and the way out."""
    at: str | None = id_
    while at:
        for cloud, own in ((source, at), (target, there.get(at))):
            for kind in ("projects", "domains"):
                row = cloud.get(kind, own)
                if row and row["is_enabled"] is False:
                    where = "source" if cloud is source else "target"
                    return (
                        f"The {where}'s {kind[:-1]} {row['name']} ({row['id']}) is disabled, and "
                        "nothing can be made in it; enable it until it has moved."
                    )
        row = source.get("projects", at)
        at = (row["parent_id"] or row["domain_id"]) if row else None
    return ""


def _volumes(every: list[Draft], made: Translation, target: Estate) -> None:
    source = made.estate
    planned = {draft.row["id"] for draft in every if draft.kind == "servers"}
    projects = {d.row["id"]: d.match.target_id for d in every if d.kind == "projects"}
    services = target.where("volume_services", "binary", "cinder-volume")
    is_down = services and not any(
        s["state"] == "up" and s["status"] == "enabled" for s in services
    )
    for draft in moved(every, "volumes"):
        row = draft.row
        attached = [a["server_id"] for a in row["attachments"] or () if a["server_id"]]
        if attached and not planned & set(attached):
            server = source.get("servers", attached[0])
            name = f"{server['name']} ({server['id']})" if server else attached[0]
            draft.problems.append(
                f"It is attached to server {name}, which is not in the plan; select the server, "
                "or detach the volume."
            )
        if row["is_encrypted"] and draft.mover is Mover.IMAGE:
            draft.problems.append(
                "It is encrypted, and keys do not travel; copy its contents inside, or leave it "
                f"out (--exclude {draft.key})."
            )
        is_shareable = not row["is_multiattach"] or volume_types.is_shareable(row, source, target)
        if not is_shareable and bonds.is_shared(row):
            draft.problems.append(
                f"It is attached to {len(bonds.users(row))} servers, and the target's volume type "
                f"{row['volume_type']} does not allow that; give it the extra spec multiattach "
                "'<is> True', or name one that has it in mappings.volume_types."
            )
        elif not is_shareable:
            draft.losses.append(
                f"That several servers may share it: the target's type {row['volume_type']} does "
                "not allow that (multiattach)."
            )
        if is_down:
            draft.problems.append("No volume service of the target is enabled and up; start one.")
        for type_ in target.where("volume_types", "name", row["volume_type"]):
            project = projects.get(row["project_id"])
            # Who may use what a run has begun is not said yet; this one completes it.
            is_open = type_["is_public"] or is_unfinished(type_)
            if not is_open and project not in (type_["access_project_ids"] or ()):
                draft.problems.append(
                    f"The target's volume type {type_['name']} is private, and its project may "
                    "not use it; give it access, or name another in mappings.volume_types."
                )


def _images(every: list[Draft], source: Estate, target: Estate) -> None:
    types = sorted({row["type"] for row in target.rows("hypervisors") if row["type"]})
    judged: dict[str, str] = {}
    for draft in moved(every, "servers"):
        image = source.get("images", draft.row["image_id"])
        if image is None or not types:
            continue
        if image["id"] not in judged:
            judged[image["id"]] = _unbootable(image, types)
        if judged[image["id"]]:
            draft.problems.append(judged[image["id"]])


def _unbootable(image: Row, types: list[str]) -> str:
    """Return why hypervisors of *types* do not boot *image*; nothing when they may."""
    properties = image["properties"] or {}
    wanted = properties.get("img_hv_type") or properties.get("hypervisor_type")
    label = f"Its image {image['name']} ({image['id']})"
    if wanted and not {t.lower() for t in types} & ALIKE.get(wanted.lower(), {wanted.lower()}):
        return f"{label} is for {wanted}, and the target has {', '.join(types)}; convert it."
    formats = [BOOTABLE[type_] for type_ in types if type_ in BOOTABLE]
    if len(formats) == len(types) and not any(image["disk_format"] in of for of in formats):
        kind = image["disk_format"]
        return f"{label} is {kind}, which {', '.join(types)} does not boot; convert it."
    return ""


def _zones_of_volumes(every: list[Draft], places: PlaceMapping, target: Estate) -> None:
    there = {r["name"] for r in target.where("availability_zones", "service", "volume")}
    for draft in every:
        if draft.kind != "volumes" or draft.match.action is not Action.CREATE:
            continue
        name, zone = draft.row["availability_zone"], draft.row.get("target_zone")
        if zone and there and zone not in there:
            draft.problems.append(
                f"mappings.availability_zones: the target has no zone {zone} for volumes; there "
                f"are {', '.join(sorted(there))}."
            )
        elif name and name not in places.names and not zone and places.unnamed == "require":
            draft.problems.append(
                f"mappings.availability_zones.unnamed: require, and the target has no zone {name} "
                "for volumes; name one."
            )


def _flavors(every: list[Draft], made: Translation, target: Estate) -> None:
    """Give servers the numbers of their flavors as these are now, and say where they differ."""
    drafted = {draft.row["name"]: draft for draft in every if draft.kind == "flavors"}
    projects = {d.row["id"]: d.match.target_id for d in every if d.kind == "projects"}
    for draft in every:
        if draft.kind != "servers" or draft.row["flavor_name"] not in drafted:
            continue
        found = drafted[draft.row["flavor_name"]]
        said = made.of("flavors", found.row["id"])
        # A mapping may mean another size.
        named = target.get("flavors", said.target_id) if said else None
        if draft.is_moved:
            _judge_flavor(draft, named or found.row, is_meant=named is not None)
        if draft.is_moved and found.match.action is Action.SKIP:
            there = target.get("flavors", found.match.target_id)
            _judge_access(draft, there, projects.get(draft.row["project_id"]))
        size = flavors.size(named or found.row)
        draft.row |= {"flavor_size": size, "vcpus": size["vcpus"], "ram_mib": size["ram_mib"]}


def _judge_access(draft: Draft, flavor: Row | None, project_id: str | None) -> None:
    """Block a server whose project may not use a flavor that the plan leaves alone."""
    if flavor is None or flavor["is_public"]:
        return
    if project_id not in (flavor["access_project_ids"] or ()):
        draft.problems.append(
            f"The target's flavor {flavor['name']} is private, its project may not use it, and "
            "the plan leaves it alone; give it access, or skip or exclude that flavor no more."
        )


def _judge_flavor(draft: Draft, flavor: Row, is_meant: bool) -> None:
    name = flavor["name"]
    if lacking := flavors.too_small(draft.row, flavor):
        draft.problems.append(
            f"Its disks are larger than those of flavor {name} ({'; '.join(lacking)}), and the "
            "target would refuse to boot it; name one that holds them in mappings.flavors.names."
        )
    elif not is_meant and (changed := flavors.changes(draft.row, flavor)):
        draft.losses.append(
            f"Its size: flavor {name} is another since it was built, and its copy has what that "
            f"is now ({'; '.join(changed)})."
        )


def _places(every: list[Draft], made: Translation, target: Estate) -> None:
    mappings: Mappings = made.mappings
    _zones_of_volumes(every, mappings.availability_zones, target)
    there = {r["name"] for r in target.where("availability_zones", "service", "compute")}
    for draft in every:
        row = draft.row
        if draft.kind != "servers" or draft.match.action is not Action.CREATE:
            continue
        pinned, zone = row["pinned_availability_zone"], row.get("target_zone")
        if zone and there and zone not in there:
            draft.problems.append(
                f"mappings.availability_zones: the target has no zone {zone}; there are "
                f"{', '.join(sorted(there))}."
            )
        elif pinned and not zone and mappings.availability_zones.unnamed == "require":
            draft.problems.append(
                f"mappings.availability_zones.unnamed: require, and the target has no zone "
                f"{pinned}; name one."
            )
        if (
            row["server_group_ids"]
            and not row.get("group_id")
            and mappings.server_groups.unnamed == "require"
        ):
            draft.problems.append(
                "mappings.server_groups.unnamed: require, and its project has no such server "
                "group at the target; make it there."
            )
        if pinned and zone and zone != pinned:
            draft.mapping = f"mappings.availability_zones.names: {pinned} → {zone}"
