"""Write the configuration to Prefect: the blocks and the concurrency limits of one site."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.fuel import Fuel
from pumphouse.blocks.site import Site
from pumphouse.blocks.switch import Switch
from pumphouse.bmc import BmcAccess
from pumphouse.config import (
    CloudAccess,
    Config,
    SiteSettings,
    bmc_block,
    cloud_block,
    fuel_block,
    switch_block,
)
from pumphouse.fuel_access import FuelAccess
from pumphouse.hosts import HostSettings
from pumphouse.limits import names as limits_of
from pumphouse.models import Role
from pumphouse.switches import SwitchAccess


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
    fuel = fuel_of(config)
    if fuel:
        fuel.save(fuel_block(config.name), overwrite=True)
        written.append(Registered("block pumphouse-fuel", fuel_block(config.name), fuel.url))
    written += _save_bmcs(config)
    written += _save_switches(config)
    settings = {name: getattr(config, name) for name in SiteSettings.model_fields}
    site = Site(
        source=clouds[Role.SOURCE],
        target=clouds[Role.TARGET],
        fuel=fuel,
        hosts={name: _settings(host) for name, host in config.hosts.items()},
        **settings,
    )
    site.save(config.name, overwrite=True)
    written.append(Registered("block pumphouse-site", config.name, config.storage.url))
    with get_client(sync_client=True) as client:
        for name, size in limits_of(config).items():
            _limit(client, name, size, free_slots)
            written.append(Registered("concurrency limit", name, str(size)))
    return written


def cloud_of(config: Config, role: Role) -> OpenStackCloud:
    """Return the cloud of *role* as a block that is not saved yet."""
    section = config.source if role is Role.SOURCE else config.target
    return OpenStackCloud(**{name: getattr(section, name) for name in CloudAccess.model_fields})


def fuel_of(config: Config) -> Fuel | None:
    """Return the Fuel master as a block that is not saved yet; None when there is none."""
    if not config.fuel.url:
        return None
    return Fuel(**{name: getattr(config.fuel, name) for name in FuelAccess.model_fields})


def bmc_of(config: Config, host: str) -> Bmc | None:
    """Return the BMC of *host* as a block that is not saved yet; None when it has none."""
    section = config.hosts[host].bmc
    if section is None:
        return None
    return Bmc(**{name: getattr(section, name) for name in BmcAccess.model_fields})


def _save_bmcs(config: Config) -> Iterator[Registered]:
    for host in config.hosts:
        if bmc := bmc_of(config, host):
            name = bmc_block(config.name, host)
            bmc.save(name, overwrite=True)
            yield Registered("block pumphouse-bmc", name, bmc.endpoint)


def switch_of(config: Config, name: str) -> Switch:
    """Return a switch as a block that is not saved yet."""
    section = config.switches[name]
    return Switch(**{key: getattr(section, key) for key in SwitchAccess.model_fields})


def _save_switches(config: Config) -> Iterator[Registered]:
    for switch in config.switches:
        block, name = switch_of(config, switch), switch_block(config.name, switch)
        block.save(name, overwrite=True)
        yield Registered("block pumphouse-switch", name, block.endpoint)


def _settings(host: HostSettings) -> HostSettings:
    """Return a host without its BMC: that is a block of its own, with its secret."""
    return HostSettings(**{name: getattr(host, name) for name in HostSettings.model_fields})


def _address(cloud: OpenStackCloud) -> str:
    return cloud.auth_url or f"entry {cloud.entry} of clouds.yaml"


def _limit(client: SyncPrefectClient, name: str, size: int, free_slots: bool) -> None:
    client.upsert_global_concurrency_limit_by_name(name, size)
    if free_slots:
        update = GlobalConcurrencyLimitUpdate(active_slots=0)
        client.update_global_concurrency_limit(name, update)
