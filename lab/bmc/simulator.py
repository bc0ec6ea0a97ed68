"""OpenIPMI's simulator as a BMC: its configuration and its command.

It is nobody's code here, and so the judge of our client. What it cannot do, `lab.bmc.server`
can: it keeps of a boot override the device only, and gives every user every privilege.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from lab.bmc.users import USERS, Endpoint
from lab.files import write

PROGRAM = Path("/usr/bin/ipmi_sim")
CHASSIS = Path(__file__).parent.parent / "drivers" / "chassis.py"
AUTHENTICATIONS = "none md2 md5 straight"

# A management controller of any vendor (0x1291) at the usual address, with an event log.
EMULATOR = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""


def installed() -> bool:
    """Tell whether the simulator is there."""
    return PROGRAM.exists()


def chassis_command(endpoint: Endpoint) -> list[str]:
    """Return the program that passes the BMC's chassis commands on to its machine."""
    # Without site-packages it starts in a third of the time.
    return [sys.executable, "-S", "-E", str(CHASSIS), str(endpoint.socket)]


def simulator_command(
    endpoint: Endpoint, home: Path, chassis: Sequence[str] | None = None
) -> list[str]:
    """Write the configuration of one BMC below *home* and return its command."""
    write(home / "lan.conf", configuration(endpoint, chassis or chassis_command(endpoint)))
    write(home / "sim.emu", EMULATOR)
    (home / "state").mkdir(exist_ok=True)
    return [
        *(str(PROGRAM), "-n"),
        *("-c", str(home / "lan.conf"), "-f", str(home / "sim.emu"), "-s", str(home / "state")),
    ]


def configuration(endpoint: Endpoint, chassis: Sequence[str]) -> str:
    """Return the lan.conf of one BMC."""
    levels = "\n".join(
        f"    allowed_auths_{level} {AUTHENTICATIONS}"
        for level in ("callback", "user", "operator", "admin")
    )
    # The first user is the anonymous one, which is off.
    users = "\n".join(
        f'  user {number} true "{user.name}" "{user.password}" {user.level} 10 {AUTHENTICATIONS}'
        for number, user in enumerate(USERS, 2)
    )
    return f"""\
name "{endpoint.name}"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {endpoint.port}
    priv_limit admin
{levels}
    guid {uuid5(NAMESPACE_DNS, endpoint.name).hex}
  endlan
  chassis_control "{" ".join(chassis)} 0x20"
  user 1 false "" "" user 10 {AUTHENTICATIONS}
{users}
"""
