"""One pair of clouds with its limits, time-outs and storage, as a Prefect block."""

from typing import Any, cast

from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from pydantic import BaseModel, Field

from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.fuel import Fuel
from pumphouse.blocks.switch import Switch
from pumphouse.config import SiteSettings, bmc_block, switch_block
from pumphouse.errors import ConfigError
from pumphouse.hosts import HostSettings
from pumphouse.models import Role


def _label(schema: dict[str, Any]) -> None:
    """Let the form show the field's own title: beside a bare reference it shows the model's."""
    if "$ref" in schema:
        schema["allOf"] = [{"$ref": schema.pop("$ref")}]


class _Pair(BaseModel):
    """The two clouds, apart so that they come first in the form."""

    source: OpenStackCloud = Field(
        title="Source", description="The old cloud.", json_schema_extra=_label
    )
    target: OpenStackCloud = Field(
        title="Target", description="The new cloud.", json_schema_extra=_label
    )


class Site(SiteSettings, _Pair, Block):
    """A source and a target cloud, and how Pumphouse works between them."""

    _block_type_name = "Pumphouse Site"
    _block_type_slug = "pumphouse-site"
    _description = "A source and a target cloud with limits, time-outs and storage."

    fuel: Fuel | None = Field(
        default=None, title="Fuel", description="The master that installs the target's hosts."
    )
    hosts: dict[str, HostSettings] = Field(
        default={},
        title="Hosts",
        description="By the name that the source gives them. Their BMCs are blocks of their own, "
        "as pumphouse config register writes them.",
    )

    def cloud(self, role: Role) -> OpenStackCloud:
        """Return the cloud that plays *role*."""
        return self.source if role is Role.SOURCE else self.target

    def master(self) -> Fuel:
        """
        Return the Fuel master.

        Raises:
            ConfigError: The site has none.
        """
        if self.fuel is None or not self.fuel.url:
            problem = "It is needed to upgrade hosts; give its url and register the site again."
            raise ConfigError("fuel", [problem])
        return self.fuel

    def host(self, name: str) -> HostSettings:
        """
        Return what is known of a host.

        Raises:
            ConfigError: Nothing is.
        """
        if name not in self.hosts:
            known = ", ".join(sorted(self.hosts)) or "none"
            problem = f"{name!r} is not among the site's hosts; known here: {known}."
            raise ConfigError("host", [problem])
        return self.hosts[name]

    @staticmethod
    def bmc(site: str, host: str) -> Bmc | None:
        """Return the BMC of *host* at the site called *site*; None when it has none."""
        return cast(Bmc | None, _load_if_any(Bmc, bmc_block(site, host)))

    @staticmethod
    def switch(site: str, name: str) -> Switch | None:
        """Return the switch called *name* at the site called *site*; None when it has none."""
        return cast(Switch | None, _load_if_any(Switch, switch_block(site, name)))


def _load_if_any(kind: type[Block], name: str) -> Block | None:
    """Return the block of that name; None when there is none."""
    try:
        return cast(Block, kind.load(name))
    except ValueError as error:
        # Prefect has no class of its own for a block that does not exist.
        if "Unable to find block document" not in str(error):
            raise
        return None


def load_site(name: str) -> Site:
    """
    Return the site's block of that name.

    Raises:
        ConfigError: The server has none; it names those that there are.
    """
    try:
        return cast(Site, Site.load(name))
    except ValueError as error:
        if not isinstance(error.__cause__, ObjectNotFound):
            raise
    with get_client(sync_client=True) as client:
        kept = client.read_block_documents_by_type(Site.get_block_type_slug())
    names = ", ".join(sorted(block.name or "" for block in kept)) or "none at all"
    problem = (
        f"There is no block Pumphouse Site of the name {name}; there is {names}. Name one of "
        "them, or write it with pumphouse config register. Nothing was touched."
    )
    raise ConfigError("site", [problem])
