"""Write the configuration to Prefect: the blocks and the concurrency limits of one site."""

from collections.abc import Sequence
from dataclasses import dataclass

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.site import Site
from pumphouse.config import CloudAccess, Config, SiteSettings, cloud_block
from pumphouse.limits import names as limits_of
from pumphouse.models import Role


@dataclass(frozen=True)
class Registered:
    """One thing that was written: what it is, its name, and where or how much."""

    kind: str
    name: str
    detail: str


def register(config: Config, *, free_slots: bool = False) -> Sequence[Registered]:
    """
    Write the blocks and limits of *config*; what is there under the same names is replaced.

    Args:
        free_slots: Also free all slots of the limits: only when nothing else can be running.
    """
    clouds = {role: cloud_of(config, role) for role in Role}
    written = []
    for role, cloud in clouds.items():
        name = cloud_block(config.name, role)
        cloud.save(name, overwrite=True)
        written.append(Registered("block openstack-cloud", name, _address(cloud)))
    settings = {name: getattr(config, name) for name in SiteSettings.model_fields}
    site = Site(source=clouds[Role.SOURCE], target=clouds[Role.TARGET], **settings)
    site.save(config.name, overwrite=True)
    written.append(Registered("block pumphouse-site", config.name, config.storage.url))
    with get_client(sync_client=True) as client:
        for name, size in limits_of(config.name, config.limits).items():
            _limit(client, name, size, free_slots)
            written.append(Registered("concurrency limit", name, str(size)))
    return written


def cloud_of(config: Config, role: Role) -> OpenStackCloud:
    """Return the cloud of *role* as a block that is not saved yet."""
    section = config.source if role is Role.SOURCE else config.target
    return OpenStackCloud(**{name: getattr(section, name) for name in CloudAccess.model_fields})


def _address(cloud: OpenStackCloud) -> str:
    return cloud.auth_url or f"entry {cloud.entry} of clouds.yaml"


def _limit(client: SyncPrefectClient, name: str, size: int, free_slots: bool) -> None:
    client.upsert_global_concurrency_limit_by_name(name, size)
    if free_slots:
        update = GlobalConcurrencyLimitUpdate(active_slots=0)
        client.update_global_concurrency_limit(name, update)
