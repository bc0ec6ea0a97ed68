"""Cinder with its NFS driver on a bind-mounted directory; several servers may share a volume."""

from lab.configs.common import copy_paste_file, credentials, service_sections
from lab.files import write, write_ini
from lab.layout import VOLUME_TYPE, Cloud, Lab
from lab.mounts import share

BACKEND = "nfs1"


def write_cinder(lab: Lab, cloud: Cloud) -> None:
    """Write cinder.conf and the list of shares."""
    state = cloud.home / "cinder"
    for name in ("conversion", "mnt", "coordination", "volumes"):
        (state / name).mkdir(parents=True, exist_ok=True)
    conf = service_sections(lab, cloud, "cinder")
    conf["DEFAULT"] |= {
        "host": cloud.controller,
        "my_ip": "127.0.0.1",
        "osapi_volume_listen": "127.0.0.1",
        "osapi_volume_listen_port": cloud.port("cinder"),
        "osapi_volume_workers": 1,
        "enabled_backends": BACKEND,
        # Must exist before the first volume, or that one is answered with 500.
        "default_volume_type": VOLUME_TYPE,
        "auth_strategy": "keystone",
        "api_paste_config": cloud.etc / "cinder" / "api-paste.ini",
        "glance_api_servers": cloud.url("glance"),
        "image_conversion_dir": state / "conversion",
        "report_interval": 10,
        "service_down_time": 60,
        "resource_query_filters_file": cloud.venv / "etc" / "cinder" / "resource_filters.json",
        "rootwrap_config": cloud.venv / "etc" / "cinder" / "rootwrap.conf",
        "storage_availability_zone": "nova",
        # Lets the bytes of a volume that is attached to a stopped server be uploaded.
        "enable_force_upload": True,
    }
    if not cloud.release.wsgi_only:
        conf["DEFAULT"]["wsgi_keep_alive"] = False
    conf["service_user"] = {**credentials(cloud, "cinder"), "send_service_user_token": True}
    conf["nova"] = {**credentials(cloud, "nova"), "interface": "public"}
    conf["coordination"] = {"backend_url": f"file://{state}/coordination"}
    conf[BACKEND] = _backend(cloud)
    for section in ("privsep_osbrick", "cinder_sys_admin"):
        conf[section] = {"helper_command": cloud.program("privsep-helper")}
    write_ini(cloud.etc / "cinder" / "cinder.conf", conf)
    write(cloud.etc / "cinder" / "nfs_shares", f"{share(cloud)}\n")
    copy_paste_file(cloud, "cinder")


def _backend(cloud: Cloud) -> dict[str, object]:
    return {
        "volume_driver": "labnfs.LabNfsDriver",
        "volume_backend_name": BACKEND,
        "nfs_shares_config": cloud.etc / "cinder" / "nfs_shares",
        "nfs_mount_point_base": cloud.home / "cinder" / "mnt",
        "nfs_snapshot_support": True,
        "nfs_qcow2_volumes": False,
        "nfs_sparsed_volumes": True,
        "nfs_mount_attempts": 1,
        # Snapshots are refused with secure file operations.
        "nas_secure_file_operations": False,
        "nas_secure_file_permissions": False,
        "volume_clear": "none",
    }
