"""Read every table of an inventory from one cloud."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from pumphouse import rows_compute, rows_identity, rows_network, rows_storage
from pumphouse.errors import MissingRights, RequestFailed
from pumphouse.listings import LISTINGS, RAW
from pumphouse.schemas import SCHEMAS
from pumphouse.tables import Row
from pumphouse.tasks import balancing_tables
from pumphouse.tasks.api import ServiceMissing
from pumphouse.tasks.readers import LISTED_HYPERVISORS, Raw, Reading

QUOTA_PATHS = {
    "compute": ("compute", "/os-quota-sets/{}/detail", "quota_set", {}),
    "volume": ("block-storage", "/os-quota-sets/{}", "quota_set", {"usage": "true"}),
    "network": ("network", "/quotas/{}/details", "quota", {}),
}
"""By the table's service: Api service, path for a project, key, parameters."""

EXTENSIONS = {kind for kind, schema in SCHEMAS.items() if schema.service == "network"} | {
    "availability_zones"
}
"""Tables that end with a listing of a Neutron extension, which the cloud may not have."""

SHAREABLE = ("networks", "subnet_pools", "security_groups", "qos_policies", "address_scopes")
"""Tables of what RBAC policies may share."""

NEWER = ("lb_zones",)
"""Tables that an older release of their service does not have."""

Extractor = Callable[[Reading], Iterator[list[Row]]]


def batches(kind: str, reading: Reading, owners: Iterable[str] = ()) -> Iterator[list[Row]]:
    """
    Yield the rows of table *kind* page by page; nothing, and a note, without its service.

    owners: For key pairs: ids of users who own servers, whether or not they may log in.

    Raises:
        CloudUnreachable, MissingRights, RequestFailed: As `Api.call`.
    """
    extractor = EXTRACTORS.get(kind) or partial(plain, kind)
    if kind == "keypairs":
        extractor = partial(keypairs, owners=owners)
    try:
        yield from extractor(reading)
    except ServiceMissing as missing:
        reading.notes.append(str(missing))
    except RequestFailed as failed:
        # Neutron's extensions come and go with its plugins: no extension, no such path.
        if failed.status != 404 or kind not in (*EXTENSIONS, *NEWER):
            raise
        service = "network" if kind in EXTENSIONS else SCHEMAS[kind].service
        reading.notes.append(f"The {service} service has no {kind.replace('_', ' ')} ({failed}).")


def plain(kind: str, reading: Reading) -> Iterator[list[Row]]:
    """Yield the pages of a table that is one listing."""
    listing = LISTINGS[kind]
    for page in reading.pages(listing):
        yield [listing.row(raw) for raw in page]


def shared(reading: Reading, name: str) -> list[Raw]:
    """Return a listing that several tables need; whoever comes first reads it."""
    return reading.reader.once(name, lambda: reading.all(RAW[name]))


# ---- identity


def services(reading: Reading) -> Iterator[list[Row]]:
    """Yield the services."""
    yield [rows_identity.service(raw) for raw in shared(reading, "services")]


def endpoints(reading: Reading) -> Iterator[list[Row]]:
    """Yield the endpoints, with their services' names and types."""
    of = {raw["id"]: raw for raw in shared(reading, "services")}
    yield [rows_identity.endpoint(raw, of) for raw in reading.all(RAW["endpoints"])]


def domains(reading: Reading) -> Iterator[list[Row]]:
    """Yield the domains."""
    yield [rows_identity.domain(raw) for raw in shared(reading, "domains")]


def projects(reading: Reading) -> Iterator[list[Row]]:
    """Yield the projects."""
    yield [rows_identity.project(raw) for raw in shared(reading, "projects")]


def users(reading: Reading) -> Iterator[list[Row]]:
    """Yield the users of all domains."""
    providers = _identity_providers(reading)
    yield [rows_identity.user(raw, providers) for raw in _of_all_domains(reading, "users")]


def _identity_providers(reading: Reading) -> dict[str, str]:
    """Return, by id of a federated user, its identity provider: no listing says it of all."""
    ids = [raw["id"] for raw in reading.all(RAW["identity_providers"])]
    found = reading.each(ids, lambda id_: reading.all(RAW["users"], idp_id=id_))
    return {raw["id"]: provider for provider, every in found for raw in every}


def groups(reading: Reading) -> Iterator[list[Row]]:
    """Yield the groups of all domains."""
    yield [rows_identity.group(raw) for raw in _groups(reading)]


def _groups(reading: Reading) -> list[Raw]:
    return reading.reader.once("groups", lambda: _of_all_domains(reading, "groups"))


def _of_all_domains(reading: Reading, name: str) -> list[Raw]:
    """
    Return users or groups. Ask once, then by domain for the domains that had none.

    With a driver by domain (LDAP), Keystone answers the plain listing with those of the
    caller's own domain only.
    """
    found = reading.all(RAW[name])
    seen = {raw["domain_id"] for raw in found}
    silent = [d["id"] for d in shared(reading, "domains") if d["id"] not in seen]
    of_domain = reading.each(silent, lambda domain: reading.all(RAW[name], domain_id=domain))
    return found + [raw for _, more in of_domain for raw in more]


def group_members(reading: Reading) -> Iterator[list[Row]]:
    """Yield who is in which group; Keystone lists it group by group."""

    def members(group_id: str) -> list[Raw]:
        return reading.api.list("identity", f"/groups/{group_id}/users", "users")

    for group_id, found in reading.each([g["id"] for g in _groups(reading)], members):
        yield [{"group_id": group_id, "user_id": raw["id"]} for raw in found]


def roles(reading: Reading) -> Iterator[list[Row]]:
    """Yield the global roles, then those of each domain, which no listing mixes."""
    yield [rows_identity.role(raw) for raw in reading.all(RAW["roles"])]
    ids = [domain["id"] for domain in shared(reading, "domains")]
    for _, found in reading.each(ids, lambda d: reading.all(RAW["roles"], domain_id=d)):
        yield [rows_identity.role(raw) for raw in found]


def implied_roles(reading: Reading) -> Iterator[list[Row]]:
    """Yield which role implies which."""
    found = reading.all(RAW["role_inferences"])
    yield [row for raw in found for row in rows_identity.implied_roles(raw)]


def _users_with_a_role(reading: Reading) -> set[str]:
    """Return the ids of users who hold a role, by themselves or through a group."""
    effective = shared(reading, "effective_assignments")
    return {raw["user"]["id"] for raw in effective if "user" in raw}


def application_credentials(reading: Reading) -> Iterator[list[Row]]:
    """Yield application credentials of users with a role: without one, none works."""

    def of_user(user_id: str) -> list[Raw]:
        path = f"/users/{user_id}/application_credentials"
        return reading.api.list("identity", path, "application_credentials")

    for user_id, found in reading.each(sorted(_users_with_a_role(reading)), of_user):
        yield [rows_identity.application_credential(raw, user_id) for raw in found]


def quotas(reading: Reading) -> Iterator[list[Row]]:
    """Yield limits and use, project by project: that is all that the services offer."""
    asked = []
    for of, (service, *_) in QUOTA_PATHS.items():
        try:
            reading.api.adapter(service)
        except ServiceMissing as missing:
            reading.notes.append(str(missing))
        else:
            asked += [(project["id"], of) for project in shared(reading, "projects")]

    def read(item: tuple[str, str]) -> Raw:
        service, path, key, params = QUOTA_PATHS[item[1]]
        version = reading.microversion(service)
        answer: Raw = reading.api.get(service, path.format(item[0]), params, version)[key]
        return answer

    for (project_id, of), raw in reading.each(asked, read):
        yield list(rows_identity.quota(project_id, of, raw))


# ---- compute


def servers(reading: Reading) -> Iterator[list[Row]]:
    """Yield the servers; their groups come from the groups' own listing, not one by one."""
    groups_of = rows_compute.group_ids_by_member(shared(reading, "server_groups"))
    unknown = 0
    for page in reading.pages(RAW["servers"]):
        unknown += sum(raw.get("status") == "UNKNOWN" and "tenant_id" in raw for raw in page)
        yield [rows_compute.server(raw, groups_of) for raw in page]
    if unknown:
        reading.notes.append(f"{unknown} servers are in a cell that does not answer.")


def server_groups(reading: Reading) -> Iterator[list[Row]]:
    """Yield the server groups."""
    yield [rows_compute.server_group(raw) for raw in shared(reading, "server_groups")]


def flavors(reading: Reading) -> Iterator[list[Row]]:
    """Yield the flavors; who may use a private one is asked of each private one."""
    for page in reading.pages(RAW["flavors"]):
        private = [f["id"] for f in page if not f.get("os-flavor-access:is_public", True)]
        access = dict(reading.each(private, partial(_flavor_access, reading)))
        yield [rows_compute.flavor(raw, access) for raw in page]


def _flavor_access(reading: Reading, flavor_id: str) -> list[str]:
    path = f"/flavors/{flavor_id}/os-flavor-access"
    version = reading.microversion("compute")
    found = reading.api.get("compute", path, None, version)["flavor_access"]
    return [access["tenant_id"] for access in found]


def keypairs(reading: Reading, owners: Iterable[str] = ()) -> Iterator[list[Row]]:
    """Yield key pairs of users with a role and of the servers' *owners*, user by user."""
    version = reading.microversion("compute")

    def of_user(user_id: str) -> list[Raw]:
        params = {"user_id": user_id}
        return reading.api.list(
            "compute", "/os-keypairs", "keypairs", params=params, microversion=version
        )

    for user_id, found in reading.each(sorted({*_users_with_a_role(reading), *owners}), of_user):
        yield [rows_compute.keypair(raw, user_id) for raw in found]


def availability_zones(reading: Reading) -> Iterator[list[Row]]:
    """Yield the zones of compute, volume and network; each service has its own."""
    for name, of in (("compute_zones", "compute"), ("volume_zones", "volume")):
        try:
            yield [rows_compute.availability_zone(raw, of) for raw in reading.all(RAW[name])]
        except ServiceMissing as missing:
            reading.notes.append(str(missing))
    found = {raw["name"]: raw for raw in reading.all(RAW["network_zones"])}
    yield [rows_compute.network_zone(raw) for raw in found.values()]


def hypervisors(reading: Reading) -> Iterator[list[Row]]:
    """Yield the hypervisors, with what Placement gives out and has given of each."""
    newest = reading.microversion("compute") or LISTED_HYPERVISORS
    version = min(newest, LISTED_HYPERVISORS, key=lambda text: [*map(int, text.split("."))])
    for page in reading.pages(RAW["hypervisors"], version):
        ids = [raw["id"] for raw in page]
        providers: dict[str, tuple[Raw | None, Raw | None]] = {}
        try:
            providers = dict(reading.each(ids, partial(_provider, reading)))
        except ServiceMissing as missing:
            reading.notes.append(f"{missing} Capacity is Nova's own.")
        yield [
            rows_compute.hypervisor(raw, *providers.get(raw["id"], (None, None))) for raw in page
        ]


def _provider(reading: Reading, provider_id: str) -> tuple[Raw | None, Raw | None]:
    """Return inventories and usages of a host; None each when Placement does not know it yet."""
    version = reading.microversion("placement")
    found: list[Raw] = []
    for key in ("inventories", "usages"):
        path = f"/resource_providers/{provider_id}/{key}"
        try:
            found.append(reading.api.get("placement", path, None, version)[key])
        except RequestFailed as failed:
            if failed.status != 404:
                raise
            return None, None
    return found[0], found[1]


# ---- network


def rbac_policies(reading: Reading) -> Iterator[list[Row]]:
    """Yield the RBAC policies."""
    yield [rows_network.rbac_policy(raw) for raw in shared(reading, "rbac_policies")]


def shareable(kind: str, reading: Reading) -> Iterator[list[Row]]:
    """Yield the pages of what may be shared. Neutron's own flag speaks of our project, too."""
    apart = rows_network.shared_apart(_shares(reading))
    for rows in plain(kind, reading):
        yield [row | {"is_shared": row["is_shared"] and row["id"] not in apart} for row in rows]


def _shares(reading: Reading) -> list[Raw]:
    """Return the RBAC policies; none of a Neutron that has none: there the flag says it all."""
    try:
        return shared(reading, "rbac_policies")
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return []


def floating_ips(reading: Reading) -> Iterator[list[Row]]:
    """Yield the floating IPs; port forwardings are asked of each one that has any."""
    listing = LISTINGS["floating_ips"]
    for page in reading.pages(listing):
        # Such a one is bound to no port, and yet has a router.
        ids = [raw["id"] for raw in page if raw.get("router_id") and not raw.get("port_id")]
        found = dict(reading.each(ids, partial(_forwardings, reading)))
        yield [rows_network.floating_ip(raw, found.get(raw["id"], ())) for raw in page]


def _forwardings(reading: Reading, floating_ip_id: str) -> list[Raw]:
    """Return the port forwardings of a floating IP; none of a Neutron that has none."""
    path = f"/floatingips/{floating_ip_id}/port_forwardings"
    try:
        return reading.api.list("network", path, "port_forwardings")
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return []


# ---- image and volume


def images(reading: Reading) -> Iterator[list[Row]]:
    """Yield the images, hidden ones too; members are asked of each shared one."""
    for name in ("images", "hidden_images"):
        for page in reading.pages(RAW[name]):
            shared_ones = [i["id"] for i in page if i["visibility"] == "shared"]
            members = dict(reading.each(shared_ones, partial(_members, reading)))
            yield [rows_storage.image(raw, members) for raw in page]


def _members(reading: Reading, image_id: str) -> list[Raw]:
    """Return an image's members; none of one that is private or gone since it was listed."""
    try:
        return reading.api.list("image", f"/images/{image_id}/members", "members")
    except (MissingRights, RequestFailed):
        # Glance refuses to list the members of what is not shared: a new snapshot, for example.
        if _is_shared(reading, image_id):
            raise
        return []


def _is_shared(reading: Reading, image_id: str) -> bool:
    try:
        return bool(reading.api.get("image", f"/images/{image_id}")["visibility"] == "shared")
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return False


def volume_types(reading: Reading) -> Iterator[list[Row]]:
    """Yield the volume types; who may use a private one is asked of each private one."""
    for page in reading.pages(RAW["volume_types"]):
        private = [t["id"] for t in page if not t["is_public"]]
        access = dict(reading.each(private, partial(_type_access, reading)))
        encryption = dict(reading.each([t["id"] for t in page], partial(_encryption, reading)))
        yield [rows_storage.volume_type(raw, access, encryption[raw["id"]]) for raw in page]


def _encryption(reading: Reading, type_id: str) -> Raw:
    path = f"/types/{type_id}/encryption"
    version = reading.microversion("block-storage")
    found: Raw = reading.api.get("block-storage", path, None, version)
    return found


def _type_access(reading: Reading, type_id: str) -> list[str]:
    path = f"/types/{type_id}/os-volume-type-access"
    version = reading.microversion("block-storage")
    found = reading.api.get("block-storage", path, None, version)["volume_type_access"]
    return [access["project_id"] for access in found]


EXTRACTORS: dict[str, Extractor] = {
    extractor.__name__: extractor
    for extractor in (
        services, endpoints, domains, projects, users, groups, group_members, roles, implied_roles,
        application_credentials, quotas, servers, server_groups, flavors, availability_zones,
        hypervisors, rbac_policies, floating_ips, images, volume_types,
    )
}  # fmt: skip
EXTRACTORS |= balancing_tables.EXTRACTORS | {kind: partial(shareable, kind) for kind in SHAREABLE}
"""By kind: tables that take more than one listing, or one that others need too."""
