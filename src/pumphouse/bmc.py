"""
Access to one BMC, and the words for what a BMC tells: power states and boot devices.

`BmcAccess` is both a section of the configuration and the fields of the Prefect block.
"""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

USUAL_PORTS = {"ipmi": 623, "redfish": 443}
LONGEST_IPMI_USER = 16
LONGEST_IPMI_PASSWORD = 20


class Power(StrEnum):
    """Whether the machine behind a BMC has power."""

    ON = "on"
    OFF = "off"


class Switch(StrEnum):
    """What a BMC is told to do with the machine's power; `SHUTDOWN` asks its system."""

    ON = "power on"
    OFF = "power off"
    RESET = "reset"
    SHUTDOWN = "shutdown"


class Device(StrEnum):
    """What a machine boots from: ``default`` follows the firmware's own order."""

    PXE = "pxe"
    DISK = "disk"
    CDROM = "cdrom"
    SETUP = "setup"
    DEFAULT = "default"
    OTHER = "other"


class BootDevice(BaseModel):
    """A boot override: for the next start only, or for every start when *persistent*."""

    model_config = ConfigDict(frozen=True)

    device: Device
    persistent: bool = False
    uefi: bool = False

    @model_validator(mode="after")
    def _default_has_no_flags(self) -> "BootDevice":
        if self.device is Device.DEFAULT and (self.persistent or self.uefi):
            raise ValueError("the default boot order is neither persistent nor UEFI or legacy")
        return self

    def __str__(self) -> str:
        if self.device is Device.DEFAULT:
            return str(self.device)
        how_long = "every start" if self.persistent else "the next start"
        return f"{self.device} at {how_long} ({'UEFI' if self.uefi else 'legacy'})"


class BmcAccess(BaseModel):
    """How to reach the BMC of one host, by IPMI 2.0 (RMCP+) or by Redfish (HTTPS)."""

    protocol: Literal["ipmi", "redfish"] = Field(
        default="ipmi",
        title="Protocol",
        description="ipmi: IPMI 2.0 over UDP. redfish: Redfish over HTTPS.",
    )
    address: str = Field(
        min_length=1, title="Address", description="Host name or IP address of the BMC."
    )
    port: int = Field(
        default=0,
        ge=0,
        le=65535,
        title="Port",
        description="0 means the usual one: 623 (UDP) for IPMI, 443 (TCP) for Redfish.",
    )
    user: str = Field(
        min_length=1,
        title="User",
        description="A user of the BMC, not of the cloud. At most 16 characters for IPMI.",
    )
    password: SecretStr = Field(
        title="Password",
        description="Of that user. Stored encrypted. At most 20 bytes for IPMI.",
    )
    privilege: Literal["operator", "administrator"] = Field(
        default="operator",
        title="Privilege",
        description="IPMI: what the session asks for. Operator suffices for power and boot "
        "device; some BMCs want administrator.",
    )
    cipher_suite: Literal["auto", "17", "3"] = Field(
        default="auto",
        title="Cipher suite",
        description="IPMI: 17 is SHA-256 and refuses less, 3 is SHA-1, auto tries 17 and "
        "takes 3 when the BMC refuses it.",
    )
    system: str = Field(
        default="",
        title="System",
        description="Redfish: id of the computer system, as in /redfish/v1/Systems/ID. Needed "
        "when the service has several.",
    )
    verify_tls: bool = Field(
        default=True,
        title="Verify TLS",
        description="Redfish: switch off only where the BMC has no certificate of its own.",
    )
    ca_file: str = Field(
        default="",
        title="CA file",
        description="Redfish: PEM file on the worker with the authority that signed the "
        "BMC's certificate. Empty means the system's authorities.",
    )
    timeout_s: float = Field(
        default=20,
        ge=1,
        le=300,
        title="Request time-out (s)",
        description="Longest wait for an answer of the BMC, repetitions included.",
    )
    power_timeout_s: float = Field(
        default=60,
        ge=1,
        le=1800,
        title="Power time-out (s)",
        description="Longest wait until the machine is on or off after it was told to be.",
    )

    @property
    def endpoint(self) -> str:
        """Name the BMC for people: protocol, address and port."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.protocol}://{address}:{self.port or USUAL_PORTS[self.protocol]}"

    @model_validator(mode="after")
    def _fits_ipmi(self) -> "BmcAccess":
        if self.protocol != "ipmi":
            return self
        if len(self.user.encode()) > LONGEST_IPMI_USER:
            raise ValueError(f"user: IPMI allows at most {LONGEST_IPMI_USER} bytes")
        if len(self.password.get_secret_value().encode()) > LONGEST_IPMI_PASSWORD:
            raise ValueError(f"password: IPMI allows at most {LONGEST_IPMI_PASSWORD} bytes")
        return self
