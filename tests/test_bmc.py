"""What a BMC's access accepts, and what its values say; no BMC is asked."""

import threading
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from pumphouse.blocks.bmc import Bmc
from pumphouse.bmc import BmcAccess, BootDevice, Device, Power, Switch
from pumphouse.errors import BmcFailed, BmcUnreachable, exit_code
from pumphouse.tasks.bmc import BmcSession
from pumphouse.tasks.logins import login_error

ACCESS = BmcAccess(
    address="bmc1", user="admin", password=SecretStr("hidden"), timeout_s=1, power_timeout_s=1
)


class Recorded:
    """A machine whose answers are given: power states in turn, the last one for good."""

    def __init__(self, *powers: Power | Exception, refuses: Switch | None = None) -> None:
        self._powers = list(powers)
        self._refuses = refuses
        self.orders: list[Switch] = []

    def power(self) -> Power:
        """Return the next power state, or raise it."""
        power = self._powers.pop(0) if len(self._powers) > 1 else self._powers[0]
        if isinstance(power, Exception):
            raise power
        return power

    def switch(self, what: Switch) -> None:
        """Record an order, or refuse it."""
        if what is self._refuses:
            raise BmcFailed("bmc1", f"order {what}", "It answered no.")
        self.orders.append(what)

    def boot(self) -> BootDevice:
        """Tell of no override."""
        return BootDevice(device=Device.DEFAULT)

    def set_boot(self, wanted: BootDevice) -> None:
        """Take it."""

    def shows(self, wanted: BootDevice) -> bool:
        """Show it."""
        return True

    def close(self) -> None:
        """Do nothing."""


def session(machine: Recorded) -> BmcSession:
    """Return a session with *machine*."""
    return BmcSession(ACCESS, machine, threading.Event())


def test_the_password_is_never_shown() -> None:
    """Not by repr, nor as JSON, nor by a block."""
    block = Bmc(**ACCESS.model_dump())

    shown = [repr(ACCESS), str(ACCESS), ACCESS.model_dump_json(), repr(block)]
    assert [text for text in shown if "hidden" in text] == []
    assert block.password.get_secret_value() == "hidden"


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ({"address": "bmc1"}, "ipmi://bmc1:623"),
        ({"address": "10.0.0.1", "port": 6230}, "ipmi://10.0.0.1:6230"),
        ({"address": "fd00::1", "protocol": "redfish"}, "redfish://[fd00::1]:443"),
    ],
)
def test_the_endpoint_names_protocol_address_and_port(given: Any, endpoint: str) -> None:
    """As people write it, with the usual port filled in."""
    assert BmcAccess(user="admin", password=SecretStr("x"), **given).endpoint == endpoint


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user": "a" * 17}, "at most 16 bytes"),
        ({"password": "p" * 21}, "at most 20 bytes"),
        ({"password": "ß" * 11}, "at most 20 bytes"),
        ({"address": ""}, "address"),
        ({"privilege": "user"}, "privilege"),
    ],
)
def test_what_ipmi_cannot_carry_is_refused(changes: Any, words: str) -> None:
    """BMCs answer such a login with a wrong password, or an unknown parameter."""
    given = {"address": "bmc1", "user": "admin", "password": "secret", **changes}
    with pytest.raises(ValidationError, match=words):
        BmcAccess(**given)


def test_redfish_has_no_such_limits() -> None:
    """Its passwords travel in JSON."""
    given = {"address": "bmc1", "user": "a" * 17, "password": "p" * 64, "protocol": "redfish"}
    assert BmcAccess.model_validate(given).user == "a" * 17


def test_the_form_explains_every_field() -> None:
    """Titles and descriptions, in the block as in the configuration."""
    fields = Bmc.model_json_schema()["properties"]
    unexplained = [
        name
        for name in BmcAccess.model_fields
        if not (fields[name].get("title") and fields[name].get("description"))
    ]
    assert unexplained == []


def test_a_boot_device_reads_as_a_sentence() -> None:
    """It goes into logs and errors."""
    once = BootDevice(device=Device.PXE)
    always = BootDevice(device=Device.DISK, persistent=True, uefi=True)
    none = BootDevice(device=Device.DEFAULT)

    assert str(once) == "pxe at the next start (legacy)"
    assert str(always) == "disk at every start (UEFI)"
    assert str(none) == "default"
    with pytest.raises(ValidationError):
        BootDevice(device=Device.DEFAULT, persistent=True)


def test_reset_of_a_machine_that_is_off_switches_it_on() -> None:
    """A reset would be refused."""
    machine = Recorded(Power.OFF, Power.OFF, Power.ON)
    session(machine).reset()

    assert machine.orders == [Switch.ON]


def test_reset_that_is_refused_becomes_off_and_on() -> None:
    """Each verified before the next."""
    machine = Recorded(Power.ON, Power.ON, Power.OFF, Power.OFF, Power.ON, refuses=Switch.RESET)
    session(machine).reset()

    assert machine.orders == [Switch.OFF, Switch.ON]


def test_a_machine_that_is_off_after_a_reset_is_switched_on() -> None:
    """Some BMCs say yes to a reset and leave the machine off."""

    class LeftOff(Recorded):
        def power(self) -> Power:
            return Power.OFF if self.orders == [Switch.RESET] else Power.ON

    machine = LeftOff()
    session(machine).reset()

    assert machine.orders == [Switch.RESET, Switch.ON]


def test_a_bmc_that_is_away_while_the_power_changes_is_waited_for() -> None:
    """One on the host's own port loses its link then."""
    away = BmcUnreachable("bmc1", "read the power state", "It does not answer.")
    machine = Recorded(Power.OFF, away, away, Power.ON)
    session(machine).power_on()

    assert machine.orders == [Switch.ON]


def test_a_bmc_that_stays_away_is_told_as_that() -> None:
    """Not as a machine that did not change."""
    away = BmcUnreachable("bmc1", "read the power state", "It does not answer.")
    machine = Recorded(Power.OFF, away)

    with pytest.raises(BmcUnreachable, match="It does not answer"):
        session(machine).power_on()


def test_default_takes_no_flags() -> None:
    """No override is neither persistent nor UEFI, whatever was asked."""
    assert session(Recorded(Power.ON)).set_boot("default", persistent=True, uefi=True) == (
        BootDevice(device=Device.DEFAULT)
    )


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        ("None", "BmcUnreachable", "does not answer over UDP"),
        ("Incorrect password provided", "BmcRefused", "does not accept the password"),
        ("Unauthorized name in RAKP2", "BmcRefused", "has no user admin"),
        ("Insufficient resources to create new session", "BmcUnreachable", "sessions are in use"),
        ("Invalid integrity check value reported in RAKP4", "BmcRefused", "Kg"),
        ("Illegal or unrecognized parameter in RAKP2", "BmcRefused", "user's name"),
        ("IPMI 1.5 only", "BmcRefused", "no encryption"),
        ("Network is unreachable", "BmcUnreachable", "Network is unreachable"),
    ],
)
def test_every_failed_login_is_one_clear_error(failure: str, kind: str, words: str) -> None:
    """Whose class says whether a retry can help."""
    error = login_error(ACCESS, failure)

    assert type(error).__name__ == kind
    assert words in str(error)
    assert "ipmi://bmc1:623" in str(error)
    assert exit_code(kind) == 1
