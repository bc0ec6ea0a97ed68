"""Commands of the lab that carry out on a machine what the stand-in decided."""

import asyncio
import json
import shlex
from typing import Any

from lab.nailgun.layouts import disks_of
from lab.nailgun.ports import shown_ports
from lab.nailgun.store import Document
from lab.nailgun.world import World

WORDS = 300


def is_machine(world: World, node: Document) -> bool:
    """Tell whether there is a machine to act upon: others are simulated."""
    return not world.options.hosts or node["mac"] in world.options.hosts


async def run_hook(world: World, command: str, node: Document) -> str:
    """Run a command for one node; return why it failed, or nothing.

    In the command, {mac}, {id}, {name}, {hostname} and {host} (the lab's name of the machine
    with that MAC) are filled in; without any of them the MAC is the last word. All about
    the node comes as JSON on its standard input.
    """
    words = {
        "mac": node["mac"],
        "id": str(node["id"]),
        "name": node["name"],
        "hostname": node["hostname"],
        "host": world.options.hosts.get(node["mac"], node["hostname"]),
    }
    argv = [word.format_map(words) for word in shlex.split(command)]
    if "{" not in command:
        argv.append(node["mac"])
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(
            process.communicate(json.dumps(_about(node) | words).encode()),
            world.options.hook_timeout_s,
        )
    except (TimeoutError, asyncio.CancelledError) as error:
        process.kill()
        await process.wait()
        if isinstance(error, asyncio.CancelledError):
            raise
        return f"no end after {world.options.hook_timeout_s:g} s"
    if process.returncode:
        text = said.decode("utf-8", "replace").strip()[-WORDS:]
        return text or f"it ended with {process.returncode}"
    return ""


def _about(node: Document) -> dict[str, Any]:
    macs = sorted({node["mac"], *(nic["mac"] for nic in node["_nics"])})
    kept = ("id", "mac", "ip", "name", "hostname", "fqdn", "cluster", "status")
    return {key: node[key] for key in kept} | {
        "macs": macs,
        "roles": sorted({*node["roles"], *node["pending_roles"]}),
        "disks": disks_of(node),
        "interfaces": [
            {"name": port["name"], "networks": [n["name"] for n in port["assigned_networks"]]}
            for port in shown_ports(node)
        ],
    }
