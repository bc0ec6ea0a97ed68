"""A plan in the making: each resource with what the target has of it, before all is judged."""

from collections.abc import Container, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pumphouse import (
    checks,
    flavors,
    forwardings,
    images,
    memberships,
    old_copies,
    policies,
    quota_sets,
    server_groups,
    snapshots,
    trunks,
    volume_types,
)
from pumphouse.closure import KINDS, Rows
from pumphouse.comparison import RULES, Match, differences, mark, match
from pumphouse.estate import Estate
from pumphouse.losses import losses
from pumphouse.models import Action, Mover
from pumphouse.tables import Row
from pumphouse.translation import Translation

GIB = 1 << 30
MOVED = (Action.CREATE, Action.UPDATE)


@dataclass(slots=True)
class Draft:
    """
    One item before it is judged.

    Attributes:
        problems: Why it cannot be done; any of them makes it blocked.

        movers: Of a server's volumes, by their ids.
    """

    kind: str
    row: Row
    name: str
    project: str
    match: Match
    mapping: str = ""
    mover: Mover | None = None
    disk_bytes: int = 0
    merged_into: str = ""
    problems: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    movers: dict[str, Mover] = field(default_factory=dict)
    key: str = field(init=False)
    """As items refer to it."""

    def __post_init__(self) -> None:
        self.key = f"{self.kind}:{self.row['id']}"

    @property
    def label(self) -> str:
        """Name and id."""
        return f"{self.name} ({self.row['id']})"

    @property
    def is_moved(self) -> bool:
        """Whether anything is done about it."""
        return self.match.action in MOVED


def drafts(
    rows: Rows, made: Translation, target: Estate, asked: Mover, movers: Mapping[str, Mover]
) -> list[Draft]:
    """
    Return a draft for each of *rows*, kind by kind.

    asked: The mover of servers for which *movers*, by key, has none.
    """
    source = made.estate
    found: list[Draft] = []
    by_key: dict[str, Draft] = {}
    shared = [
        {**i, "shared_with": _members_there(i, rows, source, target)} for i in rows["images"]
    ]
    rows = {**rows, "images": shared}
    rows["qos_specs"] = volume_types.needed_qos(
        rows["qos_specs"], rows["volume_types"], source, target
    )
    for kind in KINDS:
        coming = _coming(found) if kind == "quotas" else frozenset()
        for row in rows[kind]:
            draft = Draft(kind, row, _name(kind, row, source), _project(row, source), _NOTHING)
            if kind == "servers":
                _judge_server(draft, source, target, movers.get(draft.key, asked))
            elif kind == "rbac_policies":
                whole = by_key[policies.object_key(row)]
                if loss := _lost_share(row, rows, source, target):
                    whole.losses.append(loss)
                    continue
                draft.match = _share_match(row, whole.match.target_id, source, target)
            elif kind == "quotas":
                there = project_there(row["project_id"], source, target)
                draft.match = quota_sets.match(row, there, target, coming)
                draft.losses = quota_sets.losses(row, target, coming)
            elif kind == "server_groups":
                draft.match, draft.mapping = server_groups.match(row, target), row["mapping"]
                draft.losses = server_groups.losses(row, target)
            else:
                _judge(draft, made, target)
                draft.losses += _widened(draft, by_key, source, target)
            if kind in ("volumes", "snapshots"):
                draft.disk_bytes = (row["size_gib"] or 0) * GIB
            elif kind == "images":
                draft.disk_bytes = row["size_bytes"] or 0
            found.append(draft)
            by_key[draft.key] = draft
    return found


def _coming(so_far: list[Draft]) -> frozenset[str]:
    """Return the limits that come to the target with the volume types that are made."""
    types = moved(so_far, "volume_types")
    return frozenset(name for draft in types for name in quota_sets.of_type(draft.row["name"]))


_NOTHING = Match(Action.CREATE, None, "")


def _judge(draft: Draft, made: Translation, target: Estate) -> None:
    """Compare with the target, unless a mapping says which thing of the target it is."""
    kind, row = draft.kind, draft.row
    applied = made.of(kind, row["id"])
    draft.losses = losses(kind, row, made.estate)
    if applied:
        draft.mapping = applied.rule
        if applied.problem:
            draft.problems.append(applied.problem)
        there = target.get(kind, applied.target_id)
        if there and mark(there) != row["id"]:
            _take(draft, there, made.estate, target)
            return
    draft.match = match(kind, row, made.estate, target)
    if kind == "volumes" and draft.match.action is Action.SKIP:
        copy = target.get(kind, draft.match.target_id)
        said = old_copies.reason(row, copy, made.estate, target) if copy else ""
        draft.match = replace(draft.match, reason=f"{draft.match.reason} {said}".strip())
    if kind == "volume_types" and draft.match.action is Action.ADOPT:
        found = target.get(kind, draft.match.target_id) or {}
        draft.losses = list(volume_types.instead(row, found, made.estate, target))
    if kind == "images" and draft.match.action is Action.ADOPT:
        found = target.get(kind, draft.match.target_id) or {}
        draft.losses += _instead(_image_differences(row, found, made.estate, target))
    if kind == "flavors" and (draft.is_moved or draft.match.action is Action.ADOPT):
        there = target.get("flavors", draft.match.target_id)
        if more := flavors.more_specs(row, there) if there else "":
            draft.losses.append(more)
    if kind == "images" and draft.is_moved:
        draft.problems += images.problems(row, made.estate)
    if kind == "volumes" and draft.is_moved and (words := checks.unreadable(row)):
        draft.problems.append(f"It {words}")
    if kind == "snapshots" and draft.is_moved:
        draft.problems += snapshots.problems(row)
    is_new = draft.match.action is Action.CREATE
    if is_new and not applied and _is_required(kind, made):
        rule = f"mappings.{kind}.unnamed: require"
        draft.mapping = rule
        draft.problems.append(
            f"{rule}: the target has none of that name; make it there, or name one in "
            f"mappings.{kind}.names."
        )


def _widened(
    draft: Draft, by_key: Mapping[str, Draft], source: Estate, target: Estate
) -> Iterable[str]:
    """Return who gets a right at the target that the source did not give, as sentences."""
    row = draft.row
    if draft.kind == "groups" and draft.match.action is Action.ADOPT:
        group = target.get("groups", draft.match.target_id)
        return memberships.joining_losses(row, group, source, target) if group else []
    if draft.match.action is not Action.CREATE:
        return []
    if draft.kind == "implied_roles":
        prior = by_key.get(f"roles:{row['prior_role_id']}")
        is_new = prior is not None and prior.match.action is Action.CREATE
        return [] if is_new else [memberships.widening_loss(row, source)]
    if draft.kind == "assignments" and row["group_id"]:
        taken = by_key.get(f"groups:{row['group_id']}")
        group = target.get("groups", taken.match.target_id) if taken else None
        return memberships.shared_losses(row, group, source, target) if group else []
    return []


def _is_required(kind: str, made: Translation) -> bool:
    return kind in made.mappings.KINDS and made.mappings.of(kind).unnamed == "require"


def _take(draft: Draft, found: Row, source: Estate, target: Estate) -> None:
    """Adopt the thing of the target that a mapping names; what differs there is a loss."""
    rule = RULES[draft.kind]
    differing = differences(rule.must(draft.row, source), rule.must(found, target))
    accesses: tuple[tuple[str, str], ...] = ()
    if draft.kind == "flavors":
        differing += flavors.other_specs(draft.row, found)
        accesses = flavors.lacking_access(draft.row, found, source, target)
    if accesses:
        reason = "The target's is taken, and given to the projects that move."
        draft.match = Match(Action.UPDATE, found["id"], reason, accesses)
    else:
        draft.match = Match(Action.ADOPT, found["id"], "The target's is taken, as it is.")
    if draft.kind == "images":
        differing += _image_differences(draft.row, found, source, target)
    draft.losses = _instead(differing)
    if draft.kind == "volume_types":
        draft.losses = list(volume_types.instead(draft.row, found, source, target))


def _instead(differing: list[str]) -> list[str]:
    """Return the loss that what the target has, and is taken as it is, differs."""
    return [f"What the target's has instead: {'; '.join(differing)}."] if differing else []


def _image_differences(row: Row, found: Row, source: Estate, target: Estate) -> list[str]:
    """Return in what servers made of the target's image would differ, whoever says more."""
    wanted, there = images.traits(row, source), images.traits(found, target)
    return differences(dict.fromkeys(there) | wanted, there)


def _members_there(image: Row, rows: Rows, source: Estate, target: Estate) -> dict[str, str]:
    """Return the members that will be at the target: those that move, those that are there."""
    there = {row["id"]: "" for row in rows["projects"]}
    for entry in image["members"] or ():
        if found := project_there(entry["member_id"], source, target):
            there[entry["member_id"]] = found["id"]
    return images.shared_with(image, there)


def _judge_server(draft: Draft, source: Estate, target: Estate, asked: Mover) -> None:
    row = draft.row
    mover = checks.chosen_mover(row, asked)
    found = match("servers", row, source, target)
    arrived = checks.migrated(row)
    copy = target.get("servers", found.target_id)
    if checks.RETURNING in (row["metadata"] or {}):
        reason = "Its return to the source was cut short; finish it with pumphouse rollback."
        found = Match(Action.BLOCKED, found.target_id, reason)
    elif copy and checks.RETURNED in (copy["metadata"] or {}):
        reason = (
            f"It was returned to the source, and its old copy {copy['id']} is still there; "
            "delete that with pumphouse rollback --delete-copy."
        )
        found = Match(Action.BLOCKED, found.target_id, reason)
    elif arrived and found.target_id:
        found = Match(Action.SKIP, found.target_id, "Migrated and verified before.")
    elif arrived:
        found = Match(
            Action.BLOCKED,
            None,
            f"It was migrated to {arrived}, which is gone; to migrate it again, remove its "
            "metadata key pumphouse:migrated_to.",
        )
    elif found.target_id:
        found = Match(Action.UPDATE, found.target_id, "Its cut-over was interrupted; it goes on.")
    draft.match, draft.mover = found, mover
    draft.losses = checks.losses(row, mover)
    if draft.is_moved:
        draft.problems += checks.blockers(row, mover, source.get("images", row["image_id"]))
        draft.problems += images.lacking(row, source)
        draft.problems += trunks.blockers(row, source)
        draft.problems += forwardings.blockers(row, source)


def _name(kind: str, row: Row, source: Estate) -> str:
    if kind in ("implied_roles", "group_members", "assignments"):
        return memberships.name(kind, row, source)
    if kind == "rbac_policies":
        return policies.name(row, source)
    if kind == "quotas":
        return f"{row['service']} of {source.label('projects', row['project_id'])}"
    if kind == "floating_ips":
        return str(row["floating_ip_address"])
    if kind == "ports":
        return row["name"] or str(row["mac_address"])
    return row["name"] or str(row["id"])


def _project(row: Row, source: Estate) -> str:
    return source.label("projects", row.get("project_id") or row.get("owner_id")) or ""


def _lost_share(policy: Row, rows: Rows, source: Estate, target: Estate) -> str:
    """Return what is lost when a thing is shared with a project that will not be there."""
    whom = policy["target_project_id"]
    is_there = whom == policies.EVERYBODY or any(row["id"] == whom for row in rows["projects"])
    if is_there or project_there(whom, source, target):
        return ""
    return (
        f"Its share with project {source.label('projects', whom)}, which neither moves nor is at "
        "the target; it is made when that moves."
    )


def _share_match(policy: Row, object_id: str | None, source: Estate, target: Estate) -> Match:
    """Return whether the target's *object_id* is shared so already."""
    whom = policy["target_project_id"]
    if whom != policies.EVERYBODY:
        whom = (project_there(whom, source, target) or {}).get("id")
    for there in target.where("rbac_policies", "object_id", object_id) if object_id else ():
        if (there["action"], there["target_project_id"]) == (policy["action"], whom):
            return Match(Action.ADOPT, there["id"], "It is shared so.")
    return Match(Action.CREATE, None, "It is not shared so.")


def project_there(project_id: str, source: Estate, target: Estate) -> Row | None:
    """Return the target's project that a project of the source is or becomes; None if new."""
    label = source.label("projects", project_id)
    paths = target.grouped("projects", "label", lambda row: target.label("projects", row["id"]))
    found = paths.get(label, [])
    return found[0] if found else None


UNIQUE = (
    "domains", "projects", "roles", "implied_roles", "users", "groups", "group_members",
    "assignments", "flavors", "keypairs", "volume_types",
)  # fmt: skip
"""Kinds of which a cloud has one of each name; of the others two may share it."""

APART = ("server_groups", "images", "networks")
"""Kinds of which two may share a name, but not because a mapping says so: they are not merged."""

BY_NATURE = ("implied_roles", "group_members", "assignments", "keypairs")
"""Kinds that merge by themselves when what they belong to is merged."""


def merge(every: list[Draft], made: Translation, target: Estate, skipped: Container[str]) -> None:
    """
    Let several new things that will be one at the target be one, or say that they clash.

    skipped: Keys of what is left alone; its quotas are not added to those of others.
    """
    first: dict[tuple[str, Hashable], Draft] = {}
    for draft in every:
        if draft.kind not in (*UNIQUE, *APART) and not _is_default(draft):
            continue
        key = _key(draft, made.estate)
        if draft.match.action is not Action.CREATE or key is None:
            continue
        leader = first.setdefault((draft.kind, key), draft)
        if leader is not draft:
            _join(leader, draft, made)
    _merge_quotas(every, made, target, skipped)


def _merge_quotas(
    every: list[Draft], made: Translation, target: Estate, skipped: Container[str]
) -> None:
    """Add up the quotas of projects that are one at the target, and compare the sums with it."""
    coming = _coming(every)
    merged = {d.row["id"] for d in every if d.kind == "projects" and d.merged_into}
    groups: dict[tuple[str, str], list[Draft]] = {}
    for draft in every:
        if draft.kind == "quotas" and draft.key not in skipped:
            groups.setdefault((draft.project, draft.row["service"]), []).append(draft)
    for those in groups.values():
        there = project_there(those[0].row["project_id"], made.estate, target)
        are_there_others = _are_there_others(those, there, made)
        if len(those) == 1 and not are_there_others:
            continue
        owner = mark(there) if there else None
        # The first is the project that has our mark, or that will have it.
        those.sort(key=lambda d: (d.row["project_id"] != owner, d.row["project_id"] in merged))
        leader, *others = those
        for other in others:
            quota_sets.join(leader.row, other.row)
            _lead(leader, other)
        found = quota_sets.match(leader.row, there, target, coming, are_there_others)
        more = f" Limits of {len(those)} projects are added up." if others else ""
        leader.match = replace(found, reason=f"{found.reason}{more}")


def _are_there_others(those: list[Draft], there: Row | None, made: Translation) -> bool:
    """Tell whether more projects than *those* are one at the target, also such as are gone."""
    source, label = made.estate, those[0].project
    ids = {draft.row["project_id"] for draft in those}
    by_label = source.grouped("projects", "label", lambda row: source.label("projects", row["id"]))
    alike = by_label.get(label, [])
    if any(row["id"] not in ids for row in alike):
        return True
    words = {label, *(row["name"] for row in alike), there["id"] if there else label}
    entries = [name for name in made.mappings.projects.names.values() if name in words]
    applied = [made.of("projects", id_) for id_ in ids]
    return len(entries) > sum(said is not None and said.is_merging for said in applied)


def _is_default(draft: Draft) -> bool:
    return draft.kind == "security_groups" and draft.row["name"] == "default"


def _key(draft: Draft, source: Estate) -> Hashable:
    if draft.kind in APART:
        # Without the bytes of images, which tell those of one name apart.
        row = draft.row
        home = row["owner_id"] if draft.kind == "images" else row["project_id"]
        return source.label("projects", home), row["name"]
    key = RULES[draft.kind].key
    return key(draft.row, source) if key else None


def _join(leader: Draft, draft: Draft, made: Translation) -> None:
    source = made.estate
    if _is_default(draft):
        reason = f"Its rules are added to those of {leader.label}."
        draft.match = Match(Action.UPDATE, None, reason)
        return
    elif draft.kind in APART:
        if any(_is_led(each, made) for each in (leader, draft)):
            draft.match = _clash(leader, draft)
        return
    else:
        rule = RULES[draft.kind]
        differing = differences(rule.must(draft.row, source), rule.must(leader.row, source))
        is_meant = any(_is_led(each, made) for each in (leader, draft))
        if differing or not (is_meant or draft.kind in BY_NATURE):
            why = f" and differ ({'; '.join(differing)})" if differing else ""
            draft.match = Match(
                Action.CONFLICT,
                None,
                f"It and {leader.label} would have one name at the target{why}; give one of "
                f"them another name in mappings.{draft.kind}.names"
                + ("." if differing else ", or the same one to merge them."),
            )
            return
    _lead(leader, draft)


def _lead(leader: Draft, draft: Draft) -> None:
    draft.match = Match(Action.ADOPT, None, f"Merged into {leader.label}.")
    draft.merged_into = leader.key


def _is_led(draft: Draft, made: Translation) -> bool:
    """Tell whether the operator wrote down what its name is at the target."""
    said = made.of(draft.kind, draft.row["id"])
    return said.is_merging if said else draft.kind == "server_groups" and bool(draft.mapping)


def _clash(leader: Draft, draft: Draft) -> Match:
    words = draft.kind.replace("_", " ")
    reason = (
        f"It and {leader.label} would have one name at the target, and {words} are not merged; "
        f"give one of them another name in mappings.{draft.kind}.names, or let both be one that "
        "the target has."
    )
    return Match(Action.CONFLICT, None, reason)


def moved(every: list[Draft], kind: str) -> Iterator[Draft]:
    """Yield the drafts of *kind* about which something is done."""
    return (draft for draft in every if draft.kind == kind and draft.is_moved)
