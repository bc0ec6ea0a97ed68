"""Glance on a directory."""

from lab.configs.common import copy_paste_file, service_sections
from lab.files import write_ini
from lab.layout import Cloud, Lab

SIZE_CAP_BYTES = 100 * 2**30


def write_glance(lab: Lab, cloud: Cloud) -> None:
    """Write glance-api.conf."""
    state = cloud.home / "glance"
    for name in ("images", "staging", "tasks"):
        (state / name).mkdir(parents=True, exist_ok=True)
    conf = service_sections(lab, cloud, "glance")
    conf["DEFAULT"] |= {
        "bind_host": "127.0.0.1",
        "bind_port": cloud.port("glance"),
        "workers": 1,
        "enabled_backends": "file:file",
        "enabled_import_methods": "[glance-direct,web-download,copy-image]",
        "node_staging_uri": f"file://{state}/staging",
        "worker_self_reference_url": cloud.url("glance"),
        "show_image_direct_url": True,
        "show_multiple_locations": True,
        "image_size_cap": SIZE_CAP_BYTES,
    }
    if not cloud.release.wsgi_only:
        # A pooled connection that Glance had closed made nova-api (eventlet) wait for ever.
        conf["DEFAULT"]["http_keepalive"] = False
    conf["glance_store"] = {"default_backend": "file"}
    conf["file"] = {"filesystem_store_datadir": state / "images"}
    conf["os_glance_staging_store"] = {"filesystem_store_datadir": state / "staging"}
    conf["os_glance_tasks_store"] = {"filesystem_store_datadir": state / "tasks"}
    conf["paste_deploy"] = {
        "flavor": "keystone",
        "config_file": cloud.etc / "glance" / "glance-api-paste.ini",
    }
    write_ini(cloud.etc / "glance" / "glance-api.conf", conf)
    copy_paste_file(cloud, "glance", "glance-api-paste.ini")
