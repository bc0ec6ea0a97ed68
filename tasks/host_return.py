"""The way back: from Fuel's bootstrap to the source's system, which is still on the disks."""

from pumphouse.bmc import Device
from pumphouse.errors import Refused
from pumphouse.fuel import Node
from pumphouse.models import Role
from pumphouse.tasks import compute_services, maintenance, switch_ports
from pumphouse.tasks.bmc import open_bmc
from pumphouse.tasks.upgrading import Work
from pumphouse.tasks.waiting import poll
from pumphouse.upgrade import NO_WAY


def bring_back(work: Work) -> str:
    """
    Take the host out of Fuel's environment, boot it from its disk, and end its maintenance.

    Return what was said about its service. Safe to repeat.

    Raises:
        ConfigError: The source does not know the host, or it has no BMC.
        Refused: Fuel has written its disks, or is at it. Nothing was changed.
        WaitFailed: Its compute service did not come up; it is still disabled.
    """
    with work.cloud(Role.SOURCE) as api:
        service = compute_services.read_service(api, work.host)
        _leave_fuel(work)
        if service["state"] != "up" or _is_in_bootstrap(work):
            switch_ports.move_back(work)
            _boot_from_disk(work)
            poll(
                f"the compute service of {work.host} to be up in the source",
                lambda: compute_services.read_service(api, work.host),
                lambda found: found["state"] == "up" and not _is_in_bootstrap(work),
                work.timeouts.registration_s,
                work.stop,
            )
        compute_services.note_reset(api, compute_services.read_service(api, work.host), "")
    return maintenance.leave_maintenance(work.pair, work.host)


def _leave_fuel(work: Work) -> None:
    """Take the node out of the target's environment; it stays known to Fuel, as discovered."""
    if not work.has_fuel:
        return
    with work.fuel() as client:
        node = client.find_node(work.macs)
        if node is None or node.cluster_id is None:
            return
        if node.status != "discover" or node.roles:
            state = f"Fuel's {node.label} is {node.status} in environment {node.cluster_id}."
            raise Refused(f"Bringing host {work.host} back", [state, f"Way back: {NO_WAY}."])
        client.unassign(node.id)
    work.log(f"{node.label} is out of Fuel's environment.")


def _is_in_bootstrap(work: Work) -> bool:
    if not work.has_fuel:
        return False
    with work.fuel() as client:
        node: Node | None = client.find_node(work.macs)
        return node is not None and node.status == "discover" and node.online


def _boot_from_disk(work: Work) -> None:
    with open_bmc(work.bmc(), work.stop) as session:
        session.set_boot(Device.DISK, uefi=work.settings.boot_mode == "uefi")
        session.reset()
    work.log("It was reset, and boots from its disk.")
