"""A second cinder-volume in each cloud, with two back ends on Ceph, and types for them."""

from pathlib import Path

from lab.api import Api
from lab.ceph.layout import SHARED_POOL, Ceph, own_pool
from lab.environment import cloud_environment
from lab.files import write_ini
from lab.layout import Cloud
from lab.processes import Processes
from lab.waiting import START_S, wait_until

OWN, SHARED = "rbd", "rbd-shared"
"""Names of the back ends, and of the volume types that lead to them."""

BINDINGS = Path("/usr/lib/python3/dist-packages")
KEYS = Path("/etc/ceph")


def process_of(cloud: Cloud) -> str:
    """Return the name of the cinder-volume on Ceph, as `status` shows it."""
    return f"{cloud.name}-cinder-volume-ceph"


def pool_of(cloud: Cloud, backend: str) -> str:
    """Return what Cinder calls a back end's only pool: host@backend#pool."""
    return f"{_host(cloud)}@{backend}#{backend}"


def pools(cloud: Cloud) -> dict[str, str]:
    """Return the pool of Ceph that each back end of a cloud stores in."""
    return {OWN: own_pool(cloud.name), SHARED: SHARED_POOL}


def start_backends(ceph: Ceph, processes: Processes) -> None:
    """Start the cinder-volume of each cloud and wait until both back ends report."""
    link_bindings(ceph)
    link_keys(ceph)
    for cloud in ceph.lab.clouds:
        _write_conf(ceph, cloud)
        processes.start(process_of(cloud), command(ceph, cloud), environment(ceph, cloud))
    for cloud in ceph.lab.clouds:
        _wait(cloud, processes)
        _create_types(cloud)


def command(ceph: Ceph, cloud: Cloud) -> list[str]:
    """Return the command of a cloud's cinder-volume on Ceph."""
    files = (cloud.etc / "cinder" / "cinder.conf", _conf(ceph, cloud))
    words = [word for file in files for word in ("--config-file", str(file))]
    return [cloud.program("cinder-volume"), *words]


def environment(ceph: Ceph, cloud: Cloud) -> dict[str, str]:
    """Return the environment of a service that speaks to Ceph."""
    env = cloud_environment(cloud)
    return {**env, "PYTHONPATH": f"{env['PYTHONPATH']}:{ceph.modules}"}


def link_bindings(ceph: Ceph) -> None:
    """Let the clouds' own environments find Debian's modules rados and rbd, and nothing else."""
    for name in ("rados", "rbd"):
        for module in BINDINGS.glob(f"{name}.cpython-*.so"):
            _link(ceph.modules / module.name, module)


def link_keys(ceph: Ceph) -> None:
    """Put the clouds' keys where newer releases read them, whatever their configuration says.

    os-brick opens /etc/ceph/ceph.client.USER.keyring when a volume is uploaded to an image.
    """
    for cloud in ceph.lab.clouds:
        user = ceph.user(cloud.name)
        _link(_link_of(user), ceph.keyring(user))


def unlink_keys(ceph: Ceph) -> None:
    """Take the keys away again."""
    for cloud in ceph.lab.clouds:
        link = _link_of(ceph.user(cloud.name))
        if link.is_symlink():
            link.unlink()


def _link_of(user: str) -> Path:
    return KEYS / f"ceph.client.{user}.keyring"


def _link(link: Path, file: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(file)


def _host(cloud: Cloud) -> str:
    return f"{cloud.name}-ceph"


def _conf(ceph: Ceph, cloud: Cloud) -> Path:
    return ceph.home / "cinder" / f"{cloud.name}.conf"


def _write_conf(ceph: Ceph, cloud: Cloud) -> None:
    """Write what makes this cinder-volume another one than that of the NFS back end."""
    state = ceph.home / "cinder" / cloud.name
    for name in ("conversion", "locks"):
        (state / name).mkdir(parents=True, exist_ok=True)
    user = ceph.user(cloud.name)
    common = {
        "volume_driver": "cinder.volume.drivers.rbd.RBDDriver",
        "rbd_ceph_conf": ceph.conf,
        "rbd_user": user,
        "rbd_cluster_name": "ceph",
        "rbd_secret_uuid": "6b2a0000-0000-4000-8000-000000000001",
        "rbd_flatten_volume_from_snapshot": False,
        "rados_connect_timeout": 10,
        # From the cluster, not a guess.
        "report_dynamic_total_capacity": True,
        "backend_stats_polling_interval": 20,
    }
    sections: dict[str, dict[str, object]] = {
        "DEFAULT": {
            "host": _host(cloud),
            "enabled_backends": f"{OWN},{SHARED}",
            "image_conversion_dir": state / "conversion",
            "state_path": state,
        },
        "oslo_concurrency": {"lock_path": state / "locks"},
        OWN: {**common, "volume_backend_name": OWN, "rbd_pool": own_pool(cloud.name)},
        SHARED: {
            **common,
            "volume_backend_name": SHARED,
            "rbd_pool": SHARED_POOL,
            # What the other cloud stores counts too.
            "rbd_exclusive_cinder_pool": False,
        },
    }
    write_ini(_conf(ceph, cloud), sections)


def _wait(cloud: Cloud, processes: Processes) -> None:
    wanted = {f"{_host(cloud)}@{backend}" for backend in (OWN, SHARED)}
    log = processes.log(process_of(cloud))
    wait_until(
        lambda: wanted <= _hosts_up(cloud),
        lambda: f"{cloud.name}: {', '.join(sorted(wanted - _hosts_up(cloud)))} not up; see {log}",
        START_S,
    )


def _hosts_up(cloud: Cloud) -> set[str]:
    api = Api(cloud)
    services = api.get("cinder", f"/{api.project_id}/os-services")["services"]
    return {service["host"] for service in services if service["state"] == "up"}


def _create_types(cloud: Cloud) -> None:
    """Create a volume type for each back end; they are of no zone, which the API caches."""
    api = Api(cloud)
    base = f"/{api.project_id}/types"
    have = {kind["name"] for kind in api.get("cinder", base)["volume_types"]}
    for backend in (OWN, SHARED):
        if backend not in have:
            kind = {"name": backend, "extra_specs": {"volume_backend_name": backend}}
            api.post("cinder", base, {"volume_type": kind})
