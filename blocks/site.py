"""One pair of clouds with its limits, time-outs and storage, as a Prefect block."""

from prefect.blocks.core import Block
from pydantic import Field

from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.config import SiteSettings
from pumphouse.models import Role


class Site(SiteSettings, Block):
    """A source and a target cloud, and how Pumphouse works between them."""

    _block_type_name = "Pumphouse Site"
    _block_type_slug = "pumphouse-site"
    _description = "A source and a target cloud with limits, time-outs and storage."

    source: OpenStackCloud = Field(title="Source", description="The old cloud.")
    target: OpenStackCloud = Field(title="Target", description="The new cloud.")

    def cloud(self, role: Role) -> OpenStackCloud:
        """Return the cloud that plays *role*."""
        return self.source if role is Role.SOURCE else self.target
