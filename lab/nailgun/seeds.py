"""What a new stand-in begins with: releases, and the environments of the lab."""

from typing import Any

from lab.nailgun.environments import join, make_cluster, make_releases
from lab.nailgun.layouts import disks_of
from lab.nailgun.networks import make_admin
from lab.nailgun.nodes import register
from lab.nailgun.ports import put_ports, shown_ports
from lab.nailgun.store import Document
from lab.nailgun.world import Call, World

TARGET, SOURCE = "target", "source"
UBUNTU = 2
GIB = 2**30
CONTROLLERS = COMPUTES = 3
MODEL_OS_MIB = 102400


def seed(world: World, *, lab: bool, source_hosts: dict[str, dict[str, Any]]) -> None:
    """Fill an empty world; with *lab*, with a target whose compute nodes are models.

    *source_hosts* are the agents' reports of hosts that Fuel shall have installed already,
    by name: they make the second environment.
    """
    make_releases(world)
    make_admin(world)
    if not lab or world.store.all("cluster"):
        return
    target = make_cluster(world, TARGET, UBUNTU)
    for number in range(1, CONTROLLERS + 1):
        report = machine(f"target-ctl{number}", 10 + number)
        _deployed(world, target, f"target-ctl{number}", report, "controller")
    for number in range(1, COMPUTES + 1):
        name = f"target-cmp{number}"
        _lay_out(world, _deployed(world, target, name, machine(name, 20 + number), "compute"))
    if source_hosts:
        source = make_cluster(world, SOURCE, UBUNTU)
        for name, report in source_hosts.items():
            _deployed(world, source, name, report, "compute")


def machine(name: str, number: int) -> dict[str, Any]:
    """Return what the agent of a machine would send; sizes are bytes, speeds Mbit/s."""
    mac = f"52:54:00:f0:{number:02x}"
    nics = (("eno1", 1000), ("eno2", 1000), ("ens1f0", 10000), ("ens1f1", 10000))
    disks = (("sda", 480), ("sdb", 960))
    return {
        "mac": f"{mac}:00",
        "ip": f"10.20.0.{200 + number}",
        "status": "discover",
        "os_platform": "ubuntu",
        "manufacturer": "Dell Inc.",
        "platform_name": "PowerEdge R740",
        "agent_checksum": name,
        "meta": {
            "system": {
                "manufacturer": "Dell Inc.",
                "product": "PowerEdge R740",
                "serial": f"LAB{number:04d}",
                "fqdn": f"{name}.example.com",
            },
            "cpu": {"real": 2, "total": 32, "spec": []},
            "memory": {"total": 256 * GIB, "slots": 24, "devices": []},
            "interfaces": [
                {
                    "name": nic,
                    "mac": f"{mac}:{index:02x}",
                    "pxe": index == 0,
                    "state": "up",
                    "driver": "ixgbe",
                    "bus_info": f"0000:3b:00.{index}",
                    "max_speed": speed,
                    "current_speed": speed,
                    "offloading_modes": [],
                }
                for index, (nic, speed) in enumerate(nics)
            ],
            "disks": [
                {
                    "name": disk,
                    "disk": f"disk/by-path/pci-0000:18:00.0-scsi-0:0:{index}:0",
                    "model": "PERC H740P",
                    "removable": "0",
                    "size": size * GIB,
                    "extra": [f"disk/by-id/wwn-0x61866da0{number:06d}{index:02d}"],
                    "paths": f"/dev/{disk}",
                }
                for index, (disk, size) in enumerate(disks)
            ],
        },
    }


def _deployed(
    world: World, cluster: Document, name: str, report: dict[str, Any], role: str
) -> Document:
    node = register(world, report)
    join(world, node, cluster, [role])
    node.update(name=name, hostname=name, fqdn=f"{name}.example.com", status="ready", progress=100)
    node.update(roles=[role], pending_roles=[], pending_addition=False, _immortal=True)
    cluster.update(status="operational", changes=[])
    world.store.save("cluster", cluster)
    return world.store.save("node", node)


def _lay_out(world: World, node: Document) -> None:
    """Give a model what is worth cloning: a larger system, a bond, spread networks."""
    disks = disks_of(node)
    volumes = {volume["name"]: volume for volume in disks[0]["volumes"]}
    volumes["os"]["size"] = MODEL_OS_MIB
    volumes["vm"]["size"] = disks[0]["size"] - MODEL_OS_MIB
    ports = {port["name"]: port for port in shown_ports(node)}
    every = {network["name"]: network for network in ports["eno1"]["assigned_networks"]}
    ports["eno1"]["assigned_networks"] = [every["fuelweb_admin"]]
    ports["eno2"]["assigned_networks"] = [every["management"]]
    bond = {
        "type": "bond",
        "name": "bond0",
        "mode": "active-backup",
        "slaves": [{"name": "ens1f0"}, {"name": "ens1f1"}],
        "assigned_networks": [every["storage"], every["private"]],
        "attributes": {
            "type__": {"type": "hidden", "value": "linux"},
            "mode": {"value": {"value": "active-backup"}},
        },
    }
    put_ports(world, Call([*ports.values(), bond], {}, {}), str(node["id"]))
