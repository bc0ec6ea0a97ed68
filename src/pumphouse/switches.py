"""
The switches whose ports are moved to another VLAN: how to reach them, and what to say there.

Pure. `SwitchAccess` is both an entry of the section ``switches`` and the fields of the block.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

NETMIKO = "netmiko"
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_KNOWN = {"port", "vlan", "old"}

Vlan = Annotated[int, Field(ge=1, le=4094)]


def _known_placeholders(text: str) -> str:
    if unknown := set(_PLACEHOLDER.findall(text)) - _KNOWN:
        raise ValueError(
            f"unknown placeholder {{{min(unknown)}}}; known: {{port}} {{vlan}} {{old}}"
        )
    return text


def _pattern(text: str) -> str:
    try:
        found = re.compile(text)
    except re.error as error:
        raise ValueError(f"it must be a regular expression: {error}") from None
    if text and "vlan" not in found.groupindex:
        raise ValueError(r"it must have a group for the VLAN's number: (?P<vlan>\d+)")
    return text


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"it must be a regular expression: {error}") from None
    return text


Command = Annotated[str, AfterValidator(_known_placeholders)]


class Commands(BaseModel):
    """
    How a kind of switch is told to move a port.

    ``{port}`` is the port's name, ``{vlan}`` the number of the VLAN that it shall be in, and
    ``{old}`` that of the VLAN that it is in; a command with ``{old}`` is left out when that is
    not known.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    move: tuple[Command, ...] = Field(
        default=(),
        title="Move",
        description="Commands that put {port} into {vlan}, untagged. Empty: those that "
        "Pumphouse knows for the device type.",
    )
    configure: bool = Field(
        default=False, title="Configuration mode", description="Move in configuration mode."
    )
    enter: str = Field(
        default="",
        title="Enter configuration",
        description="Command that enters configuration mode; empty: the usual one.",
    )
    check: Command = Field(
        default="",
        title="Check",
        description="Command that tells in which VLAN {port} is. Empty: a move is not verified.",
    )
    shown: Annotated[str, AfterValidator(_pattern)] = Field(
        default="",
        title="Shown as",
        description=r"Regular expression that finds (?P<vlan>\d+) in the check's answer.",
    )
    unknown: Annotated[str, AfterValidator(_expression)] = Field(
        default="",
        title="Unknown port",
        description="Regular expression of the check's answer when there is no such port.",
    )
    refused: Annotated[str, AfterValidator(_expression)] = Field(
        default="",
        title="Refused",
        description="Regular expression that finds an error in the answer to a command.",
    )
    save: tuple[str, ...] = Field(
        default=(),
        title="Save",
        description="Commands that keep the change over a restart of the switch.",
    )


_IOS = Commands(
    move=(
        "interface {port}",
        "switchport mode access",
        "switchport access vlan {vlan}",
    ),
    configure=True,
    check="show interfaces {port} switchport",
    # A trunk has an access VLAN as well, which means nothing as long as it is a trunk.
    shown=r"Administrative Mode: static access[\s\S]*?Access Mode VLAN: (?P<vlan>\d+)",
    unknown=r"(?m)^% ?Invalid|not a switchable port",
    # IOS only mentions that it creates the VLAN: "% Access VLAN does not exist. Creating vlan 30"
    refused=r"(?mi)^%(?! Access VLAN does not exist)",
    save=("write memory",),
)

TEMPLATES: Mapping[str, Commands] = {
    "linux": Commands(
        move=(
            "bridge vlan del dev {port} vid {old}",
            "bridge vlan add dev {port} vid {vlan} pvid untagged",
        ),
        check="bridge vlan show dev {port}",
        shown=r"(?P<vlan>\d+) PVID",
        unknown="Cannot find device",
        # iproute2 says nothing when all is well.
        refused=r"\S",
    ),
    "cisco_ios": _IOS,
    "arista_eos": _IOS,
    "juniper_junos": Commands(
        move=(
            "delete interfaces {port} unit 0 family ethernet-switching vlan",
            "set interfaces {port} unit 0 family ethernet-switching interface-mode access",
            "set interfaces {port} unit 0 family ethernet-switching vlan members {vlan}",
            "commit",
        ),
        configure=True,
        # What others have changed and not committed is not committed along.
        enter="configure private",
        check="show configuration interfaces {port} unit 0 family ethernet-switching"
        " | display set",
        shown=r"interface-mode access[\s\S]*vlan members (?P<vlan>\d+)\s",
        unknown=r"(?m)^error:|invalid interface",
        refused=r"(?mi)^\s*(error:|syntax error|unknown command|invalid )",
    ),
}
"""What Pumphouse knows to say, by netmiko's name of the device type."""


class SwitchAccess(BaseModel):
    """How to reach one switch by SSH, and how it is told to move a port."""

    mover: str = Field(
        default=NETMIKO,
        title="Mover",
        description="netmiko, or the name that another package registers a port mover under.",
    )
    address: str = Field(
        min_length=1, title="Address", description="Host name or IP address of the switch."
    )
    port: int = Field(default=22, ge=1, le=65535, title="Port", description="TCP, of SSH.")
    device_type: str = Field(
        default="linux",
        title="Device type",
        description="Netmiko's name of it. Commands are known for linux (iproute2), cisco_ios, "
        "arista_eos and juniper_junos; another needs its own.",
    )
    user: str = Field(
        min_length=1, title="User", description="Who may change the VLAN of a port; linux: root."
    )
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", description="Of that user. Stored encrypted."
    )
    key_file: str = Field(
        default="",
        title="Key file",
        description="Private SSH key on the worker, instead of a password.",
    )
    key_passphrase: SecretStr = Field(
        default=SecretStr(""), title="Passphrase", description="Of the key. Stored encrypted."
    )
    enable_password: SecretStr = Field(
        default=SecretStr(""),
        title="Enable password",
        description="Where the user has to enable first. Stored encrypted.",
    )
    known_hosts: str = Field(
        default="",
        title="Known hosts",
        description="File on the worker with the switch's host key. Empty: ~/.ssh/known_hosts.",
    )
    verify_host_key: bool = Field(
        default=True,
        title="Verify the host key",
        description="Switch off only for a laboratory.",
    )
    timeout_s: float = Field(
        default=20,
        ge=1,
        le=300,
        title="Time-out (s)",
        description="Longest wait for the connection, and for the answer to each command.",
    )
    commands: Commands = Field(
        default_factory=Commands,
        title="Commands",
        description="Your own, where those for the device type do not suit. With move given, "
        "nothing is taken from those for the device type.",
    )

    @property
    def endpoint(self) -> str:
        """Name the switch for people: kind, address and port."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.device_type}://{address}:{self.port}"

    @property
    def told(self) -> Commands:
        """How it is told to move a port: by its own commands, or those of its kind."""
        return self.commands if self.commands.move else TEMPLATES[self.device_type]

    @model_validator(mode="after")
    def _can_be_told(self) -> "SwitchAccess":
        if self.mover != NETMIKO:
            return self
        if not self.commands.move and self.device_type not in TEMPLATES:
            raise ValueError(
                f"device_type: no commands are known for it; give commands.move, or one of "
                f"{', '.join(TEMPLATES)}"
            )
        if not self.commands.move and self.commands != Commands():
            raise ValueError("commands: they need move")
        if bool(self.commands.check) != bool(self.commands.shown):
            raise ValueError("commands: check and shown are given together")
        if not (self.password.get_secret_value() or self.key_file):
            raise ValueError("give a password or a key_file")
        return self


class SwitchPort(BaseModel):
    """Where a host's boot NIC is plugged in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    switch: str = Field(
        min_length=1, title="Switch", description="Its name under switches, or any for people."
    )
    port: str = Field(
        # It becomes part of a command.
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_./:-]*$",
        title="Port",
        description="As the switch calls it: GigabitEthernet1/0/7, ge-0/0/7, swp7.",
    )

    def __str__(self) -> str:
        return f"port {self.port} of switch {self.switch}"


def filled(commands: Iterable[str], port: str, vlan: int, old: int | None) -> list[str]:
    """Return *commands* as they are said; one about the old VLAN needs that there is one."""
    values = {"port": port, "vlan": str(vlan), "old": str(old)}
    return [
        _PLACEHOLDER.sub(lambda found: values[found[1]], command)
        for command in commands
        if old is not None or "{old}" not in command
    ]


def vlan_in(answer: str, told: Commands) -> int | None:
    """Return the VLAN that the check's *answer* shows; None when it shows none."""
    found = re.search(told.shown, answer)
    return int(found["vlan"]) if found else None


def says(pattern: str, answer: str) -> bool:
    """Tell whether *pattern*, which may be empty, is in *answer*."""
    return bool(pattern and re.search(pattern, answer))
