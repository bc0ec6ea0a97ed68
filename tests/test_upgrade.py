"""The upgrade's steps find what is done; guards ask everything at once; waves obey budgets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumphouse.bmc import Power
from pumphouse.fuel import Cluster
from pumphouse.guards import Checked, objections
from pumphouse.hosts import HostSettings
from pumphouse.upgrade import NO_WAY, PROVISION, first_to_do, steps, way_back, where
from pumphouse.upgrade_facts import VERIFIED, Facts
from pumphouse.upgrade_options import StepRetries, StepTimeouts, UpgradeOptions, Waves
from pumphouse.waves import hindrance, waves
from tests.fuel_nodes import node

ENVIRONMENT = 2


def facts(**given: Any) -> Facts:
    """Return the facts of an occupied host of the source, unless told otherwise."""
    usual: dict[str, Any] = {
        "host": "c-1",
        "in_source": True,
        "is_empty": False,
        "environment_id": ENVIRONMENT,
        "roles": frozenset({"compute"}),
    }
    return Facts(**(usual | given))


def in_fuel(status: str, **given: Any) -> dict[str, Any]:
    """Return facts of a host that was reset and is in the target's environment."""
    usual: dict[str, Any] = {"status": status, "roles": (), "pending_roles": ("compute",)}
    return {"is_empty": True, "node": node(7, **(usual | given))}


BOOTSTRAP = {"is_empty": True, "node": node(7, cluster=None, status="discover", roles=())}
LAID_OUT = {"has_disks": True, "has_nics": True}
READY = in_fuel("ready", roles=("compute",), pending_roles=())
SOUND = in_fuel("ready", roles=("compute",), pending_roles=(), labels={VERIFIED: "now"})

JOURNEY: list[tuple[dict[str, Any], str]] = [
    ({}, "evacuate"),
    # Empty, but the scheduler may still choose it.
    ({"is_empty": True, "takes_servers": True}, "evacuate"),
    ({"is_empty": True}, "pxe"),
    ({"is_empty": True, "was_reset": True}, "register"),
    (BOOTSTRAP, "assign"),
    (in_fuel("discover"), "disks"),
    ({**in_fuel("discover"), "has_disks": True}, "nics"),
    ({**in_fuel("discover"), **LAID_OUT}, "provision"),
    (in_fuel("provisioning"), "provision"),
    (in_fuel("provisioned"), "deploy"),
    (in_fuel("deploying"), "deploy"),
    (READY, "compute"),
    ({**READY, "compute": "down"}, "compute"),
    ({**READY, "compute": "up"}, "probe"),
    ({**READY, "compute": "up", "is_enabled": True}, "probe"),
    ({**SOUND, "compute": "up"}, "enable"),
    ({**SOUND, "compute": "up", "is_enabled": True}, "retire"),
]


@pytest.mark.parametrize(("known", "step"), JOURNEY)
def test_each_state_of_a_host_has_its_next_step(known: dict[str, Any], step: str) -> None:
    """Wherever a run was killed, the next one begins with this."""
    found = first_to_do(facts(**known), by_fuel=False)

    assert found is not None
    assert step == found.name


def test_nothing_is_left_for_a_host_of_the_target() -> None:
    """A second run of a finished upgrade does nothing."""
    done = facts(**SOUND, compute="up", is_enabled=True, in_source=False)

    assert first_to_do(done, by_fuel=False) is None
    assert where(done, by_fuel=False).endswith("nothing is left to do.")


@pytest.mark.parametrize(("known", "step"), JOURNEY[4:])
def test_a_host_that_reached_fuel_is_never_reset_again(known: dict[str, Any], step: str) -> None:
    """Not even if the note about the reset is gone, or a source server was booked on it."""
    found = facts(**{**known, "is_empty": False, "was_reset": False})

    todo = [s.name for s in steps(by_fuel=False) if not s.is_done(found)]
    assert {"evacuate", "pxe", "reset", "register"} & set(todo) == set()


@pytest.mark.parametrize(
    ("known", "step"),
    [
        (in_fuel("error", error_type="provision"), "provision"),
        (in_fuel("error", error_type="deploy"), "deploy"),
        # An error_type is left from before: only the status counts.
        ({**in_fuel("provisioned", error_type="provision")}, "deploy"),
        # It booted into bootstrap again: Fuel says discover, with roles and not pending.
        (in_fuel("discover", roles=("compute",), pending_roles=()), "provision"),
    ],
)
def test_failed_nodes_go_on_where_they_failed(known: dict[str, Any], step: str) -> None:
    """Provision errors are provisioned anew, deploy errors deployed anew."""
    found = first_to_do(facts(**known, **LAID_OUT), by_fuel=False)

    assert found is not None
    assert step == found.name


def test_a_stale_row_in_fuel_is_no_registration() -> None:
    """Fuel keeps hosts that it saw once; offline means that nobody is in bootstrap."""
    stale = {"is_empty": True, "node": node(7, cluster=None, status="discover", online=False)}

    found = first_to_do(facts(**stale), by_fuel=False)

    assert found is not None
    assert found.name == "pxe"


def test_fuel_releases_instead_of_a_reset() -> None:
    """Where Fuel manages the source, no BMC is asked for anything."""
    names = [step.name for step in steps(by_fuel=True)]

    assert "release" in names
    assert not {"pxe", "reset"} & set(names)
    assert len(steps(by_fuel=True)) + 1 == len(steps(by_fuel=False))


def test_every_step_has_its_settings_and_a_way_on() -> None:
    """No step without a time-out, retries, a state, and a way back or a word why not."""
    for step in {*steps(by_fuel=True), *steps(by_fuel=False)}:
        if step.name != "evacuate":
            assert f"{step.timeout}_s" in StepTimeouts.model_fields
        assert step.retries in StepRetries.model_fields
        assert step.doc.endswith(".")
        assert step.state.endswith(".")
        assert "{" not in way_back(step, "c-1", by_fuel=False)


def test_there_is_a_way_back_until_the_disks_are_written() -> None:
    """And the texts say so; Fuel's own release wipes earlier."""
    names = [step.name for step in steps(by_fuel=False)]
    before = names[: names.index("provision")]

    for step in steps(by_fuel=False):
        assert (step.name in before) == (way_back(step, "c-1", False) != NO_WAY), step.name
    for step in steps(by_fuel=True)[2:]:
        assert way_back(step, "c-1", True) == NO_WAY
        assert "still hold" not in step.state_now(by_fuel=True), step.name


def test_where_says_state_and_both_ways() -> None:
    """An operator at night reads this."""
    said = where(facts(**BOOTSTRAP), by_fuel=False)

    assert said == (
        "It runs Fuel's bootstrap; its disks still hold the source's system. "
        "Forward: pumphouse upgrade-host c-1. Back: pumphouse hosts return c-1."
    )
    assert PROVISION.state in where(facts(**in_fuel("discover"), **LAID_OUT), by_fuel=False)


def checked(**given: Any) -> Checked:
    """Return a host that may be reset, unless told otherwise."""
    usual: dict[str, Any] = {
        "settings": HostSettings(boot_mac="52:54:00:00:00:01", macs=("52:54:00:00:00:01",)),
        "options": UpgradeOptions(environment="target"),
        "facts": facts(is_empty=True),
        "has_bmc": True,
        "power": Power.ON,
        "environment": Cluster(id=2, name="target", status="operational", release_id=1),
        "others": ("c-2",),
        "servers_elsewhere": 3,
    }
    return Checked(**(usual | given))


def test_a_sound_host_may_be_reset() -> None:
    """No objection where there is none."""
    assert objections(checked(), is_emptied=True) == ()


def environment(**given: Any) -> Cluster:
    """Return the target's environment, as told."""
    usual: dict[str, Any] = {"id": 2, "name": "t", "status": "operational", "release_id": 1}
    return Cluster(**(usual | given))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"settings": HostSettings()}, "No MAC of host c-1 is known"),
        ({"settings": HostSettings(macs=("52:54:00:00:00:01",))}, "which NIC of host c-1 boots"),
        ({"has_bmc": False, "power": None}, "has no BMC in the configuration"),
        ({"power": None, "bmc": "It refused us."}, "It refused us."),
        ({"fuel": "Fuel is away.", "environment": None}, "Fuel is away."),
        ({"environment": environment(is_locked=True)}, "is locked; unlock it"),
        ({"environment": environment(status="new")}, "it has to be deployed"),
        ({"unclear": "Two nodes have these MACs."}, "Two nodes"),
        ({"model": ("No model.",)}, "No model."),
        ({"target": ("No flavor.",)}, "No flavor."),
        ({"not_empty": ("Nova has 1 server(s) there.",)}, "Nova has 1 server(s)"),
        ({"others": ()}, "the source's last one"),
        ({"facts": facts(is_empty=True, node=node(7, cluster=5))}, "belongs to environment 5"),
        ({"facts": facts(is_empty=True, node=node(7, pending_deletion=True))}, "for deletion"),
        (
            {"options": UpgradeOptions(environment="t", source_environment="s")},
            "cannot release it from environment s",
        ),
    ],
)
def test_each_obstacle_is_an_objection(given: dict[str, Any], said: str) -> None:
    """Each alone forbids the reset, in one sentence."""
    found = objections(checked(**given), is_emptied=True)

    assert len(found) == 1
    assert said in found[0]


def test_all_objections_come_at_once() -> None:
    """The operator repairs everything in one round."""
    bad = checked(has_bmc=False, settings=HostSettings(), model=("M.",), others=(), fuel="F.")

    assert len(objections(bad, is_emptied=False)) == 5


def test_servers_are_no_objection_before_the_host_is_emptied() -> None:
    """Emptying it is the first step."""
    occupied = checked(not_empty=("Nova has 1 server(s) there.",))

    assert objections(occupied, is_emptied=False) == ()


def test_past_its_reset_a_host_is_asked_only_what_still_matters() -> None:
    """A dead BMC does not stop a deployment that is under way."""
    under_way = checked(
        has_bmc=False, power=None, others=(), facts=facts(**in_fuel("deploying")), target=("T.",)
    )

    assert objections(under_way, is_emptied=True) == ("T.",)


hosts = st.lists(st.from_regex(r"h[0-9]{1,3}", fullmatch=True), max_size=20)
options = st.builds(
    Waves,
    parallel=st.integers(1, 9),
    canary=st.integers(0, 5),
    failure_budget=st.integers(0, 5),
)


@given(hosts, options)
def test_every_host_is_in_exactly_one_wave(names: list[str], chosen: Waves) -> None:
    """Canaries alone and first, the rest in order, no wave too large."""
    made = waves(names, chosen)

    assert [host for wave in made for host in wave] == list(dict.fromkeys(names))
    canaries = made[: min(chosen.canary, len(set(names)))]
    assert all(len(wave) == 1 for wave in canaries)
    assert all(0 < len(wave) <= chosen.parallel for wave in made[chosen.canary :])


@given(options, st.integers(0, 8), st.integers(1, 9))
def test_no_wave_follows_a_dead_canary_or_a_spent_budget(
    chosen: Waves, failures: int, begun: int
) -> None:
    """One failure among the canaries is enough; later the budget counts."""
    said = hindrance([f"h{i}" for i in range(failures)], begun, chosen)

    stops = (failures and begun <= chosen.canary) or failures > chosen.failure_budget
    assert bool(said) == bool(stops)
