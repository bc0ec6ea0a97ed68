"""Objects as the APIs of a cloud answer them, in any number: recorded once, then varied."""

import base64
from collections.abc import Mapping
from typing import Any

Raw = dict[str, Any]

PROJECTS = 40
HOSTS = 200
FLAVORS = (("m1.small", 1, 2048, 20), ("m1.large", 4, 8192, 80), ("c2.huge", 16, 65536, 160))
IMAGES = 30
USER_DATA = base64.b64encode(b"#cloud-config\npackages: [nginx]\n" * 8).decode()


def uuid(kind: str, number: int) -> str:
    """Return an id that looks like Nova's, the same for the same *kind* and *number*."""
    return f"{sum(map(ord, kind)):08x}-0000-4000-8000-{number:012x}"


def project_id(number: int) -> str:
    """Return the id of a project, as Keystone writes them."""
    return f"{number % PROJECTS:032x}"


def project(number: int) -> Raw:
    """Return a project."""
    return {
        "id": project_id(number),
        "name": f"project-{number:03d}",
        "domain_id": "default",
        "description": "",
        "enabled": True,
        "parent_id": "default",
        "is_domain": False,
        "tags": ["customer"],
        "options": {},
        "links": {"self": f"http://127.0.0.1/v3/projects/{number}"},
    }


def server(number: int, **changes: Any) -> Raw:
    """Return a server as microversion 2.93 and 2.96 do."""
    name, vcpus, ram, disk = FLAVORS[number % len(FLAVORS)]
    server_id = uuid("server", number)
    host = f"compute-{number % HOSTS:03d}"
    mac = f"fa:16:3e:00:{number // 256 % 256:02x}:{number % 256:02x}"
    address = f"10.{number // 65536}.{number // 256 % 256}.{number % 256}"
    return {
        "id": server_id,
        "name": f"web-{number:05d}",
        "status": "ACTIVE" if number % 10 else "SHUTOFF",
        "tenant_id": project_id(number),
        "user_id": f"{number % 97:032x}",
        "metadata": {"owner": "shop", "tier": "web", "ticket": f"CHG{number}"},
        "hostId": "0" * 56,
        "image": "" if number % 4 == 0 else {"id": uuid("image", number % IMAGES), "links": []},
        "flavor": {
            "vcpus": vcpus,
            "ram": ram,
            "disk": disk,
            "ephemeral": 0,
            "swap": 0,
            "original_name": name,
            "extra_specs": {"hw:cpu_policy": "shared"},
        },
        "created": "2026-05-04T10:11:12Z",
        "updated": "2026-05-04T10:12:00Z",
        "addresses": {
            "front": [
                {
                    "version": 4,
                    "addr": address,
                    "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": mac,
                }
            ]
        },
        "accessIPv4": "",
        "accessIPv6": "",
        "links": [
            {"rel": "self", "href": f"http://127.0.0.1:8774/v2.1/servers/{server_id}"},
            {"rel": "bookmark", "href": f"http://127.0.0.1:8774/servers/{server_id}"},
        ],
        "OS-DCF:diskConfig": "MANUAL",
        "progress": 0,
        "OS-EXT-AZ:availability_zone": "nova",
        "config_drive": "True" if number % 2 else "",
        "key_name": "ops",
        "OS-SRV-USG:launched_at": "2026-05-04T10:12:00.000000",
        "OS-SRV-USG:terminated_at": None,
        "security_groups": [{"name": "default"}, {"name": "web"}],
        "OS-EXT-SRV-ATTR:host": host,
        "OS-EXT-SRV-ATTR:instance_name": f"instance-{number:08x}",
        "OS-EXT-SRV-ATTR:hypervisor_hostname": host,
        "OS-EXT-SRV-ATTR:reservation_id": "r-0a1b2c3d",
        "OS-EXT-SRV-ATTR:launch_index": 0,
        "OS-EXT-SRV-ATTR:hostname": f"web-{number:05d}",
        "OS-EXT-SRV-ATTR:kernel_id": "",
        "OS-EXT-SRV-ATTR:ramdisk_id": "",
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
        "OS-EXT-SRV-ATTR:user_data": USER_DATA,
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:vm_state": "active" if number % 10 else "stopped",
        "OS-EXT-STS:power_state": 1 if number % 10 else 4,
        "os-extended-volumes:volumes_attached": [
            {"id": uuid("volume", number), "delete_on_termination": number % 4 == 0}
        ],
        "host_status": "UP",
        "locked": False,
        "locked_reason": None,
        "description": None,
        "tags": ["blue"],
        "trusted_image_certificates": None,
        "server_groups": [],
        **changes,
    }


def image(number: int, **changes: Any) -> Raw:
    """Return an image."""
    return {
        "id": uuid("image", number),
        "name": f"debian-12-{number:02d}",
        "owner": project_id(number),
        "visibility": "public" if number % 3 else "shared",
        "status": "active",
        "disk_format": "qcow2",
        "container_format": "bare",
        "size": (number + 1) * 150 * 2**20,
        "virtual_size": 20 * 2**30,
        "min_disk": 10,
        "min_ram": 512,
        "checksum": "0" * 32,
        "os_hash_algo": "sha512",
        "os_hash_value": "0" * 128,
        "protected": False,
        "os_hidden": False,
        "tags": [],
        "hw_disk_bus": "virtio",
        "os_glance_failed_import": "",
        "stores": "file",
        "created_at": "2026-05-04T10:11:12Z",
        "updated_at": "2026-05-04T10:11:12Z",
        "file": f"/v2/images/{number}/file",
        "self": f"/v2/images/{number}",
        "schema": "/v2/schemas/image",
        **changes,
    }


def volume(number: int, **changes: Any) -> Raw:
    """Return a volume."""
    return {
        "id": uuid("volume", number),
        "name": f"data-{number:05d}",
        "description": None,
        "status": "in-use",
        "size": 10 + number % 90,
        "volume_type": ("ssd", "hdd", "archive")[number % 3],
        "availability_zone": "nova",
        "bootable": "true" if number % 4 == 0 else "false",
        "encrypted": False,
        "multiattach": False,
        "snapshot_id": None,
        "source_volid": None,
        "user_id": f"{number % 97:032x}",
        "metadata": {},
        "attachments": [
            {
                "server_id": uuid("server", number),
                "attachment_id": uuid("attachment", number),
                "device": "/dev/vdb",
                "id": uuid("volume", number),
                "volume_id": uuid("volume", number),
                "host_name": None,
                "attached_at": "2026-05-04T10:12:00.000000",
            }
        ],
        "os-vol-tenant-attr:tenant_id": project_id(number),
        "os-vol-host-attr:host": "cinder@ssd#pool",
        "created_at": "2026-05-04T10:11:12.000000",
        "updated_at": "2026-05-04T10:11:12.000000",
        **changes,
    }


def hypervisor(number: int, **changes: Any) -> Raw:
    """Return a hypervisor as microversion 2.87 does."""
    return {
        "id": uuid("hypervisor", number),
        "hypervisor_hostname": f"compute-{number:03d}",
        "hypervisor_type": "QEMU",
        "hypervisor_version": 7002000,
        "state": "up",
        "status": "enabled",
        "host_ip": f"192.0.2.{number % 256}",
        "service": {"id": uuid("service", number), "host": f"compute-{number:03d}"},
        "vcpus": 64,
        "vcpus_used": number * 7 % 256,
        "memory_mb": 262144,
        "memory_mb_used": number * 4096 % 262144,
        "local_gb": 4000,
        "local_gb_used": number * 37 % 4000,
        "running_vms": number % 50,
        **changes,
    }


INVENTORIES: Mapping[str, Raw] = {
    "VCPU": {"total": 64, "reserved": 2, "allocation_ratio": 4.0},
    "MEMORY_MB": {"total": 262144, "reserved": 8192, "allocation_ratio": 1.0},
    "DISK_GB": {"total": 4000, "reserved": 0, "allocation_ratio": 1.5},
}
"""What Placement says of one provider."""


def endpoint(service: str, interface: str) -> Raw:
    """Return an endpoint of the service *service*."""
    return {
        "id": f"{service}-{interface}",
        "service_id": f"{service}-id",
        "interface": interface,
        "region": "RegionOne",
        "region_id": "RegionOne",
        "url": f"https://cloud.example:13000/{service}/{interface}/v3/%(project_id)s",
        "enabled": True,
    }
