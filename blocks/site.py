"""One pair of clouds with its limits, time-outs and storage, as a Prefect block."""

from typing import Any

from prefect.blocks.core import Block
from pydantic import BaseModel, Field

from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.config import SiteSettings
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

    def cloud(self, role: Role) -> OpenStackCloud:
        """Return the cloud that plays *role*."""
        return self.source if role is Role.SOURCE else self.target
