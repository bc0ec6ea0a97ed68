"""
What things of the source are called at the target: the section `mappings` of the configuration.

Pure values. `pumphouse.translation` applies them to the source's tables.
"""

from string import Formatter
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PLACEHOLDERS = ("name", "project", "domain")
"""What a template may name: the source's own name, and those of its project and domain."""


def _template(value: str) -> str:
    if not value:
        return value
    try:
        parsed = Formatter().parse(value)
        fields = [(name, spec, how) for _, name, spec, how in parsed if name is not None]
    except ValueError as error:
        raise ValueError(f"it is no template ({error})") from None
    for name, spec, how in fields:
        if name not in PLACEHOLDERS or spec or how:
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise ValueError(f"{{{name}}} is not known; a template may have {known}")
    if "name" not in (name for name, _, _ in fields):
        raise ValueError("it must have {name}, or all would get one name")
    return value


Template = Annotated[str, AfterValidator(_template)]


def _names(value: dict[str, str]) -> dict[str, str]:
    if not all(key.strip() and name.strip() for key, name in value.items()):
        raise ValueError("a name at the source or at the target is empty")
    return value


Names = Annotated[dict[str, str], AfterValidator(_names)]

_NAMES: Any = Field(
    default={},
    title="Names",
    description="By name or id at the source (or domain/project/name): the name or id at the "
    "target. What is there under it is used; else the copy gets that name. Several names of the "
    "source that lead to one of the target are merged.",
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Named(_Section):
    """What things of one kind are called at the target."""

    names: Names = _NAMES
    template: Template = Field(
        default="",
        title="Template",
        description="Name at the target of what is not named above, with {name}, {project} and "
        "{domain} of the source. Empty keeps the name.",
    )


class KindMapping(Named):
    """The names of one kind, and what becomes of the others of it."""

    model_config = ConfigDict(title="Names of one kind")

    unnamed: Literal["create", "require"] = Field(
        default="create",
        title="What is not named",
        description="create: it is made where the target has none. require: the target must "
        "have it, or the plan says that it is missing.",
    )


class FlavorMapping(Named):
    """The names of flavors, and what becomes of the others."""

    model_config = ConfigDict(title="Flavors")

    unnamed: Literal["create", "require", "smallest"] = Field(
        default="create",
        title="What is not named",
        description="create: it is made where the target has none. require: the target must "
        "have it. smallest: the target's smallest flavor in which its servers fit, where none "
        "of that name is equal.",
    )


class PlaceMapping(_Section):
    """Where servers are put: zones, which are the target's own."""

    model_config = ConfigDict(title="Places")

    names: Names = _NAMES
    unnamed: Literal["keep", "require", "drop"] = Field(
        default="keep",
        title="What is not named",
        description="keep: the one of the same name, where the target has it; else none, which "
        "the plan says as a loss. require: the target must have it. drop: none.",
    )


class GroupMapping(_Section):
    """Which server groups servers join at the target."""

    model_config = ConfigDict(title="Server groups")

    names: Names = _NAMES
    unnamed: Literal["create", "keep", "require", "drop"] = Field(
        default="create",
        title="What is not named",
        description="create: it is made where its project has none of that name and policy. keep: "
        "the one that is there; else none, which the plan says as a loss. require: it must be "
        "there. drop: none.",
    )


class Mappings(_Section):
    """What things of the source are called at the target, by kind."""

    model_config = ConfigDict(title="Mappings")

    KINDS: ClassVar[tuple[str, ...]] = (
        "domains", "projects", "users", "roles", "flavors", "images", "networks", "volume_types",
    )  # fmt: skip
    """Kinds whose rows get other names."""

    domains: KindMapping = Field(default_factory=KindMapping, title="Domains")
    projects: KindMapping = Field(default_factory=KindMapping, title="Projects")
    users: KindMapping = Field(default_factory=KindMapping, title="Users")
    roles: KindMapping = Field(default_factory=KindMapping, title="Roles")
    flavors: FlavorMapping = Field(default_factory=FlavorMapping, title="Flavors")
    images: KindMapping = Field(default_factory=KindMapping, title="Images")
    networks: KindMapping = Field(default_factory=KindMapping, title="Networks")
    volume_types: KindMapping = Field(default_factory=KindMapping, title="Volume types")
    availability_zones: PlaceMapping = Field(
        default_factory=PlaceMapping, title="Availability zones"
    )
    server_groups: GroupMapping = Field(default_factory=GroupMapping, title="Server groups")

    router_addresses: Literal["new", "same"] = Field(
        default="new",
        title="Addresses of routers on external networks",
        description="new: the target gives its routers others. same: they keep them, which is "
        "safe only where the external networks of the two clouds are apart: both routers answer "
        "for an address until the source's is gone.",
    )

    tls_containers: Names = Field(
        default={},
        title="Certificates of load balancers",
        description="By the reference (or id) of a container or secret in the source's key "
        "manager: the whole reference of its copy in the target's. Secrets do not travel: store "
        "them there first, and let the target's Octavia read them.",
    )

    def of(self, kind: str) -> KindMapping | FlavorMapping:
        """Return the mapping of *kind*, one of `KINDS`."""
        found: KindMapping | FlavorMapping = getattr(self, kind)
        return found
