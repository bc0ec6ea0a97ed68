"""
The hosts that Pumphouse may restart: how to reach their BMCs, and by which MACs Fuel knows them.

Pure. They stand in config.yaml, or in a file that it names: see `pumphouse.host_files`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pumphouse.bmc import BmcAccess
from pumphouse.switches import SwitchPort

_SEPARATORS = re.compile(r"[:.\-\s]")
_MAC = re.compile(r"[0-9a-f]{12}")


def mac(text: str) -> str:
    """
    Return a MAC address as Fuel writes it, from any of the usual spellings.

    Raises:
        ValueError: It is none.
    """
    digits = _SEPARATORS.sub("", text).lower()
    if not _MAC.fullmatch(digits):
        raise ValueError("it must be a MAC address, for example 52:54:00:12:34:56")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def _as_text(value: Any) -> Any:
    """YAML 1.1 takes 52:54:00:12:34:56 for a number in base 60: take it back."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        octets = [value // 60**power % 60 for power in range(4, -1, -1)]
        return ":".join(f"{octet:02}" for octet in [value // 60**5, *octets])
    return value


def _mac_or_nothing(text: str) -> str:
    return mac(text) if text.strip() else ""


Mac = Annotated[str, BeforeValidator(_as_text), AfterValidator(mac)]
MacOrNothing = Annotated[str, BeforeValidator(_as_text), AfterValidator(_mac_or_nothing)]


class BmcSection(BmcAccess):
    """A BMC in config.yaml."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class HostSettings(BaseModel):
    """What is known of one host besides its BMC."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    boot_mac: MacOrNothing = Field(
        default="",
        title="Boot MAC",
        description="Of the NIC that boots from Fuel's admin network (PXE).",
    )
    macs: tuple[Mac, ...] = Field(
        default=(),
        title="All MACs",
        description="Of all its NICs. A node of Fuel is this host only if it has all of them.",
    )
    boot_mode: Literal["legacy", "uefi"] = Field(
        default="legacy", title="Boot mode", description="How its firmware boots: legacy or uefi."
    )
    switch_port: SwitchPort | None = Field(
        default=None,
        title="Switch port",
        description="Of the boot NIC. Needed only to release the host, if it changes its VLAN.",
    )
    notes: str = Field(default="", title="Notes", description="For people: rack, owner, ticket.")

    @property
    def all_macs(self) -> frozenset[str]:
        """Every MAC that is known of the host."""
        return frozenset((*self.macs, *([self.boot_mac] if self.boot_mac else [])))


class Host(HostSettings):
    """One host in config.yaml."""

    bmc: BmcSection | None = Field(
        default=None,
        title="BMC",
        description="Of this host. Not needed where Fuel manages the source.",
    )


def clashes(hosts: Mapping[str, Host]) -> list[str]:
    """
    Return a sentence for each MAC, BMC or switch port of two hosts.

    What is done to one would hit the other.
    """
    macs = _claimed_twice(hosts, lambda host: host.all_macs)
    bmcs = _claimed_twice(hosts, lambda host: [host.bmc.endpoint] if host.bmc else [])
    ports = _claimed_twice(hosts, lambda host: [str(host.switch_port)] if host.switch_port else [])
    return [
        *(f"hosts: the MAC {mac} belongs to {' and '.join(of)}." for mac, of in macs.items()),
        *(f"hosts: the BMC {bmc} belongs to {' and '.join(of)}." for bmc, of in bmcs.items()),
        *(f"hosts: {port} belongs to {' and '.join(of)}." for port, of in ports.items()),
    ]


def _claimed_twice(
    hosts: Mapping[str, Host], claims: Callable[[Host], Iterable[str]]
) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = {}
    for name, host in hosts.items():
        for claim in claims(host):
            owners.setdefault(claim, []).append(name)
    return {claim: of for claim, of in owners.items() if len(of) > 1}
