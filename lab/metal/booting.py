"""What a machine's firmware does, as values: boot overrides, boot order, where a boot ends."""

from dataclasses import dataclass, replace

NETWORK, DISK = "network", "disk"
DEVICES = ("default", "pxe", "disk", "cdrom", "bios", "none")

# What a disk holds, and with it the system that boots from it.
BLANK, SOURCE, INSTALLED = "blank", "source", "installed"
# The systems that a machine can run; `NOTHING` while it is off, boots or hangs.
BOOTSTRAP, NOTHING = "bootstrap", "nothing"

IGNORES_RESET = "ignores-reset"
IGNORES_OFF = "ignores-off"
IGNORES_BOOT = "ignores-boot"
REFUSES = "refuses"
NO_PXE = "no-pxe"
WRONG_DEVICE = "wrong-device"
MISSING_NIC = "missing-nic"
SMALL_DISK = "small-disk"
SLOW = "slow"
INSTALL_FAILS = "install-fails"

FAULTS = {
    IGNORES_RESET: "answers a reset with ok and does nothing",
    IGNORES_OFF: "answers a power off with ok and stays on",
    IGNORES_BOOT: "answers a boot override with ok and forgets it",
    REFUSES: "refuses every change",
    NO_PXE: "never boots from the network",
    WRONG_DEVICE: "boots from the disk when told the network, and the other way round",
    MISSING_NIC: "reports without its last network interface",
    SMALL_DISK: "reports its first disk with half the size",
    SLOW: "takes ten times as long",
    INSTALL_FAILS: "fails in the middle of an installation",
}
SLOWNESS = 10.0


@dataclass(frozen=True)
class Boot:
    """The boot override that a BMC keeps; `persistent` is for every boot, not only the next."""

    device: str = "default"
    persistent: bool = False
    uefi: bool = False


@dataclass(frozen=True)
class State:
    """A machine's state, which survives a restart of the daemon.

    `local_boot` holds for one boot: the boot server answers with the local disk, as Fuel's
    does for a node that it has just installed. `order` is the order of the last boot.
    """

    power: bool = True
    boot: Boot = Boot()
    disk: str = SOURCE
    system: str = SOURCE
    local_boot: bool = False
    faults: tuple[str, ...] = ()
    hostname: str = ""
    order: tuple[str, ...] = (DISK, NETWORK)


def boot_order(state: State) -> tuple[str, ...]:
    """Return the devices that the firmware tries, in order; none when it stops in its setup.

    A CD drive without a disc is skipped, so `cdrom` is the usual order: the disk, then the
    network.
    """
    if state.boot.device == "bios":
        return ()
    first, second = (NETWORK, DISK) if state.boot.device == "pxe" else (DISK, NETWORK)
    if WRONG_DEVICE in state.faults:
        return (second,)
    return tuple(
        device for device in (first, second) if not (device == NETWORK and NO_PXE in state.faults)
    )


def after_boot(state: State, order: tuple[str, ...]) -> State:
    """Return the state of a machine that begins to boot: a one-time override is used up."""
    boot = state.boot if state.boot.persistent else Boot()
    return replace(state, power=True, boot=boot, system=NOTHING, local_boot=False, order=order)


def landing(order: tuple[str, ...], disk: str, local_boot: bool) -> str:
    """Return the system that a boot in this order ends in."""
    for device in order:
        if device == NETWORK and not local_boot:
            return BOOTSTRAP
        if disk != BLANK:
            return disk
    return NOTHING


def resume_order(state: State) -> tuple[str, ...]:
    """Return the order that leads to the system which ran when the daemon ended."""
    if state.system == NOTHING:
        return state.order
    return (NETWORK,) if state.system == BOOTSTRAP else (DISK, NETWORK)
