"""Nova: a configuration for the controller, one for all hosts, and a small one for each."""

import shutil
import uuid

from lab.configs.common import copy_paste_file, credentials, service_sections
from lab.files import write, write_ini
from lab.layout import REGION, Cloud, Lab
from lab.roster import compute_hosts


def write_nova(lab: Lab, cloud: Cloud) -> None:
    """Write nova.conf, what of it compute hosts get, and a file for each of them."""
    conf = service_sections(lab, cloud, "nova")
    instances = cloud.home / "nova" / "instances"
    instances.mkdir(parents=True, exist_ok=True)
    conf["DEFAULT"] |= {
        "my_ip": "127.0.0.1",
        "host": cloud.controller,
        "enabled_apis": "osapi_compute",
        "osapi_compute_listen": "127.0.0.1",
        "osapi_compute_listen_port": cloud.port("nova"),
        "osapi_compute_workers": 1,
        "compute_driver": "labvirt.LabDriver",
        "instances_path": instances,
        "report_interval": 10,
        "service_down_time": 60,
        # Neutron sends no events here.
        "vif_plugging_is_fatal": False,
        "vif_plugging_timeout": 0,
        "cpu_allocation_ratio": 16.0,
        "ram_allocation_ratio": 4.0,
        "disk_allocation_ratio": 10.0,
        "reserved_host_memory_mb": 0,
        "max_concurrent_builds": 50,
        "block_device_allocate_retries_interval": 1,
    }
    conf["database"]["connection"] = lab.database_url(cloud.database("nova_cell1"))
    conf["api_database"] = {"connection": lab.database_url(cloud.database("nova_api"))}
    conf["api"] = {"auth_strategy": "keystone"}
    conf["wsgi"] = {"api_paste_config": cloud.etc / "nova" / "api-paste.ini"}
    if not cloud.release.wsgi_only:
        conf["wsgi"]["keep_alive"] = False
    conf |= _clients(cloud)
    conf["scheduler"] = {"discover_hosts_in_cells_interval": 15, "workers": 1}
    conf["conductor"] = {"workers": 1}
    conf["compute"] = {
        "live_migration_wait_for_vif_plug": False,
        "resource_provider_association_refresh": 300,
    }
    conf["vnc"] = {"enabled": False}
    write_ini(cloud.etc / "nova" / "nova.conf", conf)
    # As anywhere, hosts know no database. With one, nova-compute asks it while starting, in
    # threads that register the same options at once, and now and then dies of that.
    databases = ("database", "api_database")
    hosts = {name: options for name, options in conf.items() if name not in databases}
    write_ini(cloud.etc / "nova" / "nova-compute.conf", hosts)
    copy_paste_file(cloud, "nova")
    for host in compute_hosts(cloud):
        write_host(cloud, host)


def _clients(cloud: Cloud) -> dict[str, dict[str, object]]:
    """Return how Nova reaches the other services."""
    return {
        "placement": credentials(cloud, "placement"),
        "neutron": credentials(cloud, "neutron"),
        "cinder": {
            **credentials(cloud, "cinder"),
            "catalog_info": f"{cloud.release.volume_service}::publicURL",
            "os_region_name": REGION,
        },
        "glance": {"endpoint_override": cloud.url("glance")},
        "keystone": credentials(cloud, "nova"),
        # Newer Cinder refuses attachment changes that come without Nova's own token.
        "service_user": {**credentials(cloud, "nova"), "send_service_user_token": True},
    }


def write_host(cloud: Cloud, host: str) -> None:
    """Write what makes a nova-compute a host of its own; the disks are shared by all."""
    state = cloud.home / f"nova-{host}"
    (state / "locks").mkdir(parents=True, exist_ok=True)
    write_ini(
        cloud.etc / "nova-hosts" / f"{host}.conf",
        {
            "DEFAULT": {
                "host": host,
                "state_path": state,
                "instances_path": cloud.home / "nova" / "instances",
            },
            "oslo_concurrency": {"lock_path": state / "locks"},
        },
    )
    # The lab's driver reports this as the node's identity, which may never change.
    write(state / "compute_id", str(uuid.uuid5(uuid.NAMESPACE_DNS, host)))


def forget_host(cloud: Cloud, host: str) -> None:
    """Remove what `write_host` wrote, and what its nova-compute kept."""
    (cloud.etc / "nova-hosts" / f"{host}.conf").unlink(missing_ok=True)
    shutil.rmtree(cloud.home / f"nova-{host}", ignore_errors=True)
