"""What an operator may choose about giving hosts to the target's first nodes: ``release``."""

from pydantic import BaseModel, ConfigDict, Field

from pumphouse.switches import Vlan


class ReleaseOptions(BaseModel):
    """How a host of the source is handed over to Fuel's admin network."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, title="Release")

    vlan: Vlan | None = Field(
        default=None,
        title="VLAN",
        description="Of Fuel's admin network (PXE), which the host's port is moved to, untagged. "
        "Empty: the host is in that network already, and no port is moved.",
    )
    return_vlan: Vlan | None = Field(
        default=None,
        title="VLAN of the way back",
        description="The port's VLAN at the source, untagged, which it gets back when the host "
        "is returned. Empty: you move it back.",
    )
    approve: bool = Field(
        default=False,
        title="Ask for approval",
        description="Suspend each run before the host is powered off, until somebody approves it.",
    )
