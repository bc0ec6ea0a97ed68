"""
From the source's system into Fuel's bootstrap: boot device, reset, registration.

Until Fuel provisions the host its disks are untouched, and it can be brought back.
"""

import time
from datetime import UTC, datetime

from pumphouse.bmc import Device
from pumphouse.errors import ConfigError, FuelNodeUnclear, FuelTaskFailed, Refused
from pumphouse.fuel import Node
from pumphouse.models import Role
from pumphouse.tasks import compute_services, maintenance
from pumphouse.tasks.bmc import open_bmc
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.fuel_waits import wait_gone, wait_registered, wait_task
from pumphouse.tasks.upgrading import Work
from pumphouse.upgrade_facts import INSTALLED


def set_pxe(work: Work) -> None:
    """Let the next start, and only that, be from the network; setting it twice is once."""
    with open_bmc(work.bmc(), work.stop) as session:
        boot = session.set_boot(Device.PXE, uefi=work.settings.boot_mode == "uefi")
    work.log(f"The BMC boots {boot}.")


def reset(work: Work) -> None:
    """
    Reset the host, unless that would hit a system that must not be hit.

    Asked again at the last moment: meanwhile somebody may have started a server there, or an
    earlier run may have brought it into Fuel.

    Raises:
        Refused: It is not empty, or Fuel is at work on it or has installed it.
    """
    if objections := [*not_empty(work), *_installed(work)]:
        raise Refused(f"Resetting host {work.host}", objections)
    with open_bmc(work.bmc(), work.stop) as session:
        session.reset()
    note_reset(work)
    work.log("It was reset.")


def not_empty(work: Work) -> list[str]:
    """Return what says that servers are on the host."""
    try:
        return maintenance.host_is_empty(work.pair, work.host)
    except ConfigError:
        # The source does not know it (any more), so there is nothing that it could run.
        return []


def _installed(work: Work) -> list[str]:
    with work.fuel() as client:
        node = client.find_node(work.macs)
        if node is None or node.cluster_id is None:
            return []
        environment = client.cluster(work.options.environment)
        at_work = node.status in (INSTALLED | {"provisioning"})
        if node.cluster_id == environment.id and at_work:
            return [f"Fuel's {node.label} is {node.status} in {environment.label}."]
        return []


def note_reset(work: Work, when: datetime | None = None) -> None:
    """Write the time of the reset beside the source's compute service, for later runs."""
    stamp = (when or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with work.cloud(Role.SOURCE) as api:
        try:
            service = compute_services.read_service(api, work.host)
        except ConfigError:
            return
        compute_services.note_reset(api, service, stamp)


def release(work: Work) -> None:
    """
    Let Fuel take the host out of the source's environment, wiping it; it restarts by itself.

    Deleting, not unassigning: that would only mark it, for the next deployment of anyone.
    A second run finds the node gone, or the deletion under way.

    Raises:
        Refused: It is not empty, or it is in another environment.
        FuelTaskFailed: Fuel could not delete it.
    """
    if objections := not_empty(work):
        raise Refused(f"Releasing host {work.host}", objections)
    with work.fuel() as client:
        source = client.cluster(work.options.source_environment)
        node = client.find_node(work.macs)
        if node is None:
            return
        if node.cluster_id != source.id:
            raise Refused(f"Releasing {node.label}", [f"It is not in {source.label}."])
        _delete(work, client, node)
    note_reset(work)


def _delete(work: Work, client: FuelClient, node: Node) -> None:
    timeout_s = work.timeouts.release_s
    if node.status == "discover":
        client.unassign(node.id)
        return
    if node.status != "removing":
        work.log(f"Fuel deletes {node.label} and restarts it.")
        job = client.delete_node(node.id)
        if job is not None:
            job = wait_task(client, job.id, timeout_s, work.watch("release"), work.stop)
            if job.status != "ready":
                raise FuelTaskFailed(
                    f"deletion of {node.label}",
                    f"{(job.message or 'It gives no reason').rstrip('.')}.",
                    "Look at the host's console; run again to try again.",
                )
    wait_gone(client, node.id, timeout_s, work.stop)


def register(work: Work, attempt: int = 1) -> None:
    """
    Wait until the host is in Fuel's bootstrap, known by all of its MACs.

    attempt: From the second on the host is told once more to boot from the network, unless it
        has come meanwhile.

    Raises:
        FuelNodeUnclear: A node has some of the MACs, and kept only these.
        WaitFailed: It did not register.
    """
    if attempt > 1 and not work.options.source_environment and not _has_come(work):
        work.log("It did not register: it is reset once more.")
        set_pxe(work)
        reset(work)
    deadline = time.monotonic() + work.timeouts.registration_s
    with work.fuel() as client:
        while True:
            left = max(1.0, deadline - time.monotonic())
            try:
                node = wait_registered(client, work.macs, left, work.stop)
            except FuelNodeUnclear:
                # The agent reports its NICs one after the other while drivers load.
                if time.monotonic() > deadline or work.stop.wait(2):
                    raise
            else:
                break
        name_node(work, client, node)
    work.log(f"It registered as {node.label}.")


def _has_come(work: Work) -> bool:
    """Tell if the host waits in bootstrap: then something else failed, and no reset helps."""
    with work.fuel() as client:
        node = client.find_node(work.macs)
    return node is not None and node.status == "discover" and node.online


def name_node(work: Work, client: FuelClient, node: Node) -> None:
    """Let Fuel call the node as the source called the host; later its host name is fixed."""
    if node.name != work.host:
        client.rename(node.id, work.host)
    hostname = work.host.split(".")[0].lower()
    if work.options.keep_name and node.hostname != hostname:
        client.set_hostname(node.id, hostname)
