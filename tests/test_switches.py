"""What is said to switches, how their answers are read, and which configurations make no sense."""

import builtins
from typing import Any

import pytest
from pydantic import ValidationError

from pumphouse.bmc import Power
from pumphouse.config_text import parse
from pumphouse.errors import ConfigError
from pumphouse.guards import Checked
from pumphouse.handover import Found
from pumphouse.hosts import HostSettings
from pumphouse.switches import TEMPLATES, SwitchAccess, SwitchPort, filled, says, vlan_in
from pumphouse.tasks.port_movers import mover_of
from pumphouse.tasks.switch_ports import ByHand
from pumphouse.upgrade_facts import Facts
from pumphouse.upgrade_options import UpgradeOptions
from tests.fuel_nodes import node

ANSWERS = [
    ("linux", "port              vlan-id  \nswp7              10 PVID Egress Untagged\n", 10),
    ("linux", "port              vlan-id  \nswp7              10\n                  20\n", None),
    ("linux", "", None),
    (
        "cisco_ios",
        "Name: Gi1/0/7\nSwitchport: Enabled\nAdministrative Mode: static access\n"
        "Operational Mode: down\nAccess Mode VLAN: 30 (PXE)\nTrunking Native Mode VLAN: 1\n",
        30,
    ),
    # The access VLAN of a trunk means nothing.
    ("cisco_ios", "Administrative Mode: trunk\nAccess Mode VLAN: 30 (PXE)\n", None),
    (
        "arista_eos",
        "Name: Et7\nSwitchport: Enabled\nAdministrative Mode: static access\n"
        "Operational Mode: static access\nAccess Mode VLAN: 30 (PXE)\n",
        30,
    ),
    (
        "juniper_junos",
        "set interfaces ge-0/0/7 unit 0 family ethernet-switching interface-mode access\n"
        "set interfaces ge-0/0/7 unit 0 family ethernet-switching vlan members 30\n",
        30,
    ),
    (
        "juniper_junos",
        "set interfaces ge-0/0/7 unit 0 family ethernet-switching interface-mode access\n"
        "set interfaces ge-0/0/7 unit 0 family ethernet-switching vlan members pxe\n",
        None,
    ),
]


def access(**changes: Any) -> SwitchAccess:
    """Return how to reach a switch that does not exist."""
    return SwitchAccess(**{"address": "192.0.2.9", "user": "u", "password": "p", **changes})


@pytest.mark.parametrize(("kind", "answer", "vlan"), ANSWERS)
def test_the_vlan_is_read_from_the_answer(kind: str, answer: str, vlan: int | None) -> None:
    """And what is not plainly one untagged VLAN is none."""
    assert vlan == vlan_in(answer, TEMPLATES[kind])


def test_the_old_vlan_is_taken_away_if_there_is_one() -> None:
    """A port of a Linux bridge would stay in it, untagged."""
    told = TEMPLATES["linux"].move

    assert filled(told, "swp7", 30, 10) == [
        "bridge vlan del dev swp7 vid 10",
        "bridge vlan add dev swp7 vid 30 pvid untagged",
    ]
    assert filled(told, "swp7", 30, None) == ["bridge vlan add dev swp7 vid 30 pvid untagged"]


@pytest.mark.parametrize(
    ("kind", "answer", "is_error"),
    [
        ("linux", "", False),
        ("linux", "RTNETLINK answers: Operation not supported", True),
        ("cisco_ios", "conf t\nsw1(config)#interface Gi1/0/7\n", False),
        ("cisco_ios", "% Access VLAN does not exist. Creating vlan 30\n", False),
        ("cisco_ios", "% Invalid input detected at '^' marker.\n", True),
        ("cisco_ios", "% Incomplete command.\n", True),
        ("juniper_junos", "[edit]\nuser@sw1# commit\ncommit complete\n", False),
        ("juniper_junos", "error: configuration check-out failed\n", True),
    ],
)
def test_an_error_in_an_answer_is_seen(kind: str, answer: str, is_error: bool) -> None:
    """And what is only said along is none."""
    assert is_error == says(TEMPLATES[kind].refused, answer)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_every_kind_can_be_verified(kind: str) -> None:
    """No move that we know how to do goes unread."""
    told = access(device_type=kind).told

    assert told.check
    assert told.shown
    assert told.refused
    assert any("30" in command for command in filled(told.move, "p1", 30, 10))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": ""}, "give a password or a key_file"),
        ({"device_type": "brand_x"}, "no commands are known for it; give commands.move, or one"),
        ({"commands": {"move": ["x {prt}"]}}, "unknown placeholder {prt}"),
        ({"commands": {"save": ["wr"]}}, "they need move"),
        ({"commands": {"move": ["x"], "check": "y"}}, "check and shown are given together"),
        ({"commands": {"move": ["x"], "check": "y", "shown": "z"}}, "must have a group"),
        ({"commands": {"move": ["x"], "refused": "("}}, "must be a regular expression"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], said: str) -> None:
    """Before any host is switched off."""
    with pytest.raises(ValidationError) as caught:
        access(**changes)

    assert said in str(caught.value)


@pytest.mark.parametrize("port", ["swp7; reboot", "a b", "$(x)", "", "-f", "a\nb"])
def test_a_port_is_no_command(port: str) -> None:
    """Its name becomes part of one."""
    with pytest.raises(ValidationError):
        SwitchPort(switch="s", port=port)


def test_a_type_with_own_commands_needs_no_template() -> None:
    """Whatever netmiko speaks to."""
    own = access(device_type="brand_x", commands={"move": ["put {port} {vlan}"]})

    assert own.told.move == ("put {port} {vlan}",)


def test_two_hosts_cannot_be_on_one_port() -> None:
    """One's move would cut the other off."""
    at = "{switch_port: {switch: s, port: p}}"
    text = f"source: {{entry: a}}\ntarget: {{entry: b}}\nhosts: {{x: {at}, y: {at}}}\n"

    with pytest.raises(ConfigError, match="port p of switch s belongs to x and y"):
        parse(text, {})


def test_a_mover_that_nobody_offers_is_an_error() -> None:
    """And those that there are, are named."""
    with pytest.raises(ConfigError, match=r"No installed package offers 'fabric'.*netmiko"):
        mover_of("s", access(mover="fabric"))


def test_without_netmiko_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    usual = builtins.__import__

    def none(name: str, *rest: Any, **more: Any) -> Any:
        if name == "netmiko":
            raise ImportError(name)
        return usual(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", none)

    with pytest.raises(ConfigError, match=r"pip install 'pumphouse\[switches\]'"):
        mover_of("s", access())


def test_an_operator_is_told_what_to_move() -> None:
    """With all that is known, and why nobody else does it."""
    bare = HostSettings(boot_mac="52:54:00:00:00:01")
    plugged = bare.model_copy(update={"switch_port": SwitchPort(switch="rack-3", port="7")})

    assert "boot NIC with MAC 52:54:00:00:00:01 to VLAN 30" in ByHand("c-1", bare).move("", 30)
    assert "switches.rack-3 is not configured" in ByHand("c-1", plugged).move("7", 30)


def test_the_password_is_never_shown() -> None:
    """Neither in its text nor in what it is called."""
    secret = access(password="hunter2")

    assert "hunter2" not in f"{secret!r} {secret} {secret.endpoint}"


def found(has_fuel: bool = True, **given: Any) -> Found:
    """Return an empty host of the source that may be handed over, unless told otherwise."""
    facts = {"host": "c-1", "in_source": True, "power": Power.ON, **given.pop("facts", {})}
    settings = HostSettings(boot_mac="52:54:00:00:00:01", macs=("52:54:00:00:00:01",))
    usual = {"settings": settings, "options": UpgradeOptions(), "has_bmc": True}
    known = {"power": facts["power"], "others": ("c-2",)}
    checked = Checked(**usual, **known, facts=Facts(**facts))
    return Found(checked=checked, has_fuel=has_fuel, **given)


WAITING = {"node": node(7, cluster=None, status="discover", roles=())}


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        ({"is_empty": False}, "evacuate"),
        ({}, "pxe"),
        ({"was_reset": True, "power": Power.ON}, "register"),
        ({"was_reset": True, "power": None}, "register"),
        (WAITING, None),
        ({**WAITING, "power": Power.ON, "has_vlan": False}, None),
    ],
)
def test_each_state_has_its_next_step(facts: dict[str, Any], step: str | None) -> None:
    """Wherever a run was killed, the next one begins with this."""
    todo = found(facts=facts).first_to_do

    assert step == (todo.name if todo else None)


def test_a_host_that_is_off_in_the_right_vlan_only_has_to_be_started() -> None:
    """Which tells it once more to boot from the network: that is lost with the power of some."""
    off = found(facts={"power": Power.OFF, "has_vlan": True})

    todo = [step.name for step in off.steps if not step.is_done(off.checked.facts)]
    assert todo == ["power-on", "register"]


def test_no_environment_is_needed() -> None:
    """There is none yet, nor a model node."""
    assert found().objections(is_emptied=True) == ()


@pytest.mark.parametrize("status", ["provisioning", "provisioned", "deploying", "ready", "error"])
def test_a_node_of_an_environment_is_let_be(status: str) -> None:
    """Whatever Fuel does with it."""
    taken = found(facts={"node": node(7, cluster=5, status=status)})

    assert "belongs to environment 5" in " ".join(taken.objections(is_emptied=True))


def test_a_switch_is_no_objection_once_the_host_was_started() -> None:
    """A dead switch does not stop the wait for Fuel."""
    assert found(port=("S.",)).objections(is_emptied=True) == ("S.",)
    assert found(port=("S.",), facts={"was_reset": True}).objections(is_emptied=True) == ()


def test_without_fuel_it_ends_with_the_power() -> None:
    """And the words do not say that it arrived."""
    done = found(has_fuel=False, facts={"was_reset": True})

    assert done.first_to_do is None
    assert "nobody was asked whether it arrived" in done.where()
