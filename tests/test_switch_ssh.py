"""netmiko moves ports of a real Linux bridge, through a real SSH server."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pumphouse.errors import SwitchFailed, SwitchRefused, SwitchUnreachable
from pumphouse.switches import Commands
from pumphouse.tasks.netmiko_mover import NetmikoMover
from tests.switches import Switch, filtering_bridge, run, switch

pytestmark = pytest.mark.hosts

# One bridge for each VLAN: how hosts without VLAN filtering do it, and how an operator says so.
BY_BRIDGES = Commands(
    move=("ip link set dev {port} master br{vlan}",),
    check="ip -o link show dev {port}",
    shown=r"master br(?P<vlan>\d+)",
    unknown="does not exist",
    refused=r"\S",
)
OLD, NEW = 10, 30


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    """Yield a switch without bridges."""
    with switch(tmp_path_factory.mktemp("switch")) as made:
        yield made


@pytest.fixture(scope="module")
def bridges(bare: Switch) -> Switch:
    """Return the switch with two bridges, br10 and br30, and a host in the first."""
    for number in (OLD, NEW):
        bare.ip("link", "add", f"br{number}", "type", "bridge")
        bare.ip("link", "set", f"br{number}", "up")
    bare.plug("swp7", f"br{OLD}")
    return bare


def mover(made: Switch, **changes: Any) -> NetmikoMover:
    """Return what moves its ports."""
    return NetmikoMover("rack-3", made.access(**{"commands": BY_BRIDGES, **changes}))


def test_a_port_moves_there_and_back(bridges: Switch) -> None:
    """The kernel, and not we, says where it is; a second time nothing is left to do."""
    ours = mover(bridges)
    assert ours.vlan("swp7") == OLD

    said = ours.move("swp7", NEW)

    assert "was moved to VLAN 30 (read back)" in said
    assert f"master br{NEW}" in bridges.ip("-o", "link", "show", "dev", "swp7")
    assert "is in VLAN 30 already" in ours.move("swp7", NEW)
    ours.move("swp7", OLD)
    assert f"master br{OLD}" in bridges.ip("-o", "link", "show", "dev", "swp7")


def test_the_pvid_of_a_port_moves(tmp_path: Path) -> None:
    """Device type linux, as it comes: the port has the new VLAN, and no trace of the old."""
    with switch(tmp_path) as made:
        filtering_bridge(made, "br0")
        made.plug("swp1", "br0")
        ours = NetmikoMover("rack-3", made.access())
        assert ours.vlan("swp1") == 1

        ours.move("swp1", NEW)

        shown = run("bridge", "-n", made.space, "-j", "vlan", "show", "dev", "swp1")
        assert shown.replace(" ", "") == (
            '[{"ifname":"swp1","vlans":[{"vlan":30,"flags":["PVID","EgressUntagged"]}]}]\n'
        )
        assert ours.vlan("swp1") == NEW
        assert "already" in ours.move("swp1", NEW)


def test_an_unknown_port_is_an_error(bridges: Switch) -> None:
    """A typo moves nobody else's port."""
    with pytest.raises(SwitchFailed, match=r"It has no such port.*Nothing was changed"):
        mover(bridges).move("swp8", NEW)


def test_the_linux_commands_know_no_port_either(bridges: Switch) -> None:
    """The kernel's own words are recognized."""
    with pytest.raises(SwitchFailed, match=r"It has no such port: .*Cannot find device"):
        mover(bridges, commands=Commands()).move("swp8", NEW)


def test_a_refused_command_says_what_was_given(bridges: Switch) -> None:
    """There is no bridge for VLAN 77, and nothing came before that."""
    with pytest.raises(SwitchFailed) as caught:
        mover(bridges).move("swp7", 77)

    assert "It refused 'ip link set dev swp7 master br77'" in str(caught.value)
    assert "Nothing was changed." in str(caught.value)
    assert f"master br{OLD}" in bridges.ip("-o", "link", "show", "dev", "swp7")


def test_a_move_that_did_nothing_is_an_error(bridges: Switch) -> None:
    """A switch that says nothing is not believed."""
    silent = BY_BRIDGES.model_copy(update={"move": ("true {port} {vlan}",)})

    with pytest.raises(SwitchFailed, match="took every command, and the port is in VLAN 10"):
        mover(bridges, commands=silent).move("swp7", NEW)


def test_without_a_check_the_answer_says_so(bridges: Switch) -> None:
    """Nobody believes that it was verified."""
    blind = Commands(move=BY_BRIDGES.move, refused=r"\S")

    said = mover(bridges, commands=blind).move("swp7", OLD)

    assert "not verified" in said


def test_a_wrong_key_is_refused(bridges: Switch, tmp_path: Path) -> None:
    """No retry helps, and nothing was changed."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))

    with pytest.raises(SwitchRefused, match=r"does not accept the user.*Nothing was changed"):
        mover(bridges, key_file=str(tmp_path / "other")).move("swp7", NEW)


def test_a_missing_key_file_is_refused(bridges: Switch, tmp_path: Path) -> None:
    """And it is named."""
    with pytest.raises(SwitchRefused, match="nowhere"):
        mover(bridges, key_file=str(tmp_path / "nowhere")).vlan("swp7")


def test_an_unknown_host_key_is_refused(bridges: Switch, tmp_path: Path) -> None:
    """Nobody who pretends to be the switch gets a login."""
    (tmp_path / "known_hosts").write_text("")

    with pytest.raises(SwitchRefused, match="host key is not the one that is known"):
        mover(bridges, known_hosts=str(tmp_path / "known_hosts")).move("swp7", NEW)


def test_a_changed_host_key_is_refused(bridges: Switch, tmp_path: Path) -> None:
    """The same for another key than the known one."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))
    kind, key, *_ = (tmp_path / "other.pub").read_text().split()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{bridges.port} {kind} {key}\n")

    with pytest.raises(SwitchRefused, match="host key is not the one that is known"):
        mover(bridges, known_hosts=str(tmp_path / "known_hosts")).move("swp7", NEW)


def test_a_switch_that_is_off_is_unreachable(bridges: Switch) -> None:
    """Worth a retry, and nothing was changed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]

    with pytest.raises(
        SwitchUnreachable, match=r"There is no SSH connection.*Nothing was changed"
    ):
        mover(bridges, port=free, timeout_s=2).move("swp7", NEW)


def test_a_command_that_hangs_ends(bridges: Switch) -> None:
    """In bounded time, and the message says that the port may be anywhere."""
    hangs = BY_BRIDGES.model_copy(update={"move": ("sleep 60; : {port} {vlan}",)})
    began = time.monotonic()

    with pytest.raises(SwitchUnreachable, match=r"stopped answering.*Port swp7 may be in VLAN 30"):
        mover(bridges, commands=hangs, timeout_s=2).move("swp7", NEW)
    assert time.monotonic() - began < 40
