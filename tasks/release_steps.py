"""
From the source's system to Fuel's admin network: off, the switch port, on.

The host's disks are untouched all the way: it can be brought back.
"""

from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import MissingContextError

from pumphouse.errors import BmcFailed, Refused
from pumphouse.tasks.bmc import open_bmc
from pumphouse.tasks.host_power import not_empty, note_reset, set_pxe
from pumphouse.tasks.switch_ports import port_of
from pumphouse.tasks.upgrade_board import key_of
from pumphouse.tasks.upgrading import Work


def power_off(work: Work) -> None:
    """
    Shut the host down, and switch it off where its system does not obey.

    Asked again at the last moment: meanwhile somebody may have started a server there.

    Raises:
        Refused: It is not empty, or Fuel has it in an environment.
        BmcFailed: It is still on.
    """
    if objections := [*not_empty(work), *_taken(work)]:
        raise Refused(f"Switching host {work.host} off", objections)
    with open_bmc(work.bmc(), work.stop) as session:
        try:
            session.shutdown()
        except BmcFailed as error:
            work.log(f"It does not shut down, and is switched off. {error.reason}")
            session.power_off()
    work.log("It is switched off.")


def _taken(work: Work) -> list[str]:
    """Return a sentence if somebody put the host into an environment of Fuel."""
    if not work.has_fuel:
        return []
    with work.fuel() as client:
        node = client.find_node(work.macs)
    if node is None or node.cluster_id is None:
        return []
    return [f"Fuel's {node.label} is {node.status} in environment {node.cluster_id}."]


def move_port(work: Work) -> None:
    """Move the host's port to the VLAN of Fuel's admin network, or tell the operator to."""
    vlan = work.pair.release.vlan
    if vlan is None:
        work.log("Its switch port stays as it is: release.vlan is not given.")
        return
    port = port_of(work)
    words = port.move(vlan)
    work.log(words)
    if port.is_by_hand:
        _show(work, words)


def _show(work: Work, words: str) -> None:
    """Put what an operator has to do where a run's page shows it. That never breaks a step."""
    text = f"## Host {work.host}\n\n{words}\n\nThe run goes on and waits for the host."
    try:
        create_markdown_artifact(text, key=key_of("release-port", work.host))
    except MissingContextError:
        return
    except Exception as error:  # noqa: BLE001 - a silent Prefect server stops no release
        work.log(f"This could not be shown: {error}")


def power_on(work: Work) -> None:
    """Switch the host on, from the network; note the time for later runs. Twice is once."""
    # A BMC may forget the boot device a minute after it was set (IPMI 2.0, 28.12).
    set_pxe(work)
    with open_bmc(work.bmc(), work.stop) as session:
        session.power_on()
    note_reset(work)
    work.log("It is switched on, and boots from the network.")
