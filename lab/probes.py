"""Proof that a cloud works: a server is really booted, with a port, and removed."""

import time
from typing import Any

from lab.api import Api
from lab.errors import LabError
from lab.layout import Cloud
from lab.waiting import wait_until

NAME = "lab-probe"
PROBE_S = 120.0


def probe_cloud(cloud: Cloud) -> float:
    """Boot a server through every service of a cloud and return the seconds it took.

    Raises LabError when it does not become ACTIVE; what was made is removed in any case.
    """
    api = Api(cloud)
    begin = time.monotonic()
    try:
        _boot(cloud, api)
        return time.monotonic() - begin
    finally:
        _remove(api)


def _boot(cloud: Cloud, api: Api) -> None:
    image = api.post("glance", "/images", _image_body())
    flavor = {"name": NAME, "ram": 64, "vcpus": 1, "disk": 0}
    flavor = api.post("nova", "/flavors", {"flavor": flavor})["flavor"]
    network = api.post("neutron", "/networks", {"network": {"name": NAME}})["network"]
    subnet = {"network_id": network["id"], "ip_version": 4, "cidr": "192.0.2.0/28"}
    api.post("neutron", "/subnets", {"subnet": subnet})
    api.upload_image(image["id"], b"\0" * 1024 * 1024)
    body = {
        "name": NAME,
        "flavorRef": flavor["id"],
        "imageRef": image["id"],
        "networks": [{"uuid": network["id"]}],
    }
    server = api.post("nova", "/servers", {"server": body})["server"]

    def status() -> dict[str, Any]:
        answer: dict[str, Any] = api.get("nova", f"/servers/{server['id']}")["server"]
        return answer

    wait_until(
        lambda: status()["status"] in ("ACTIVE", "ERROR"),
        lambda: f"{cloud.name}: the probe server {server['id']} is {status()['status']}",
        PROBE_S,
    )
    if status()["status"] == "ERROR":
        fault = status().get("fault", {}).get("message", "no reason given")
        raise LabError(f"{cloud.name}: the probe server {server['id']} failed: {fault}")


def _remove(api: Api) -> None:
    """Remove every probe, also those that an earlier run left."""
    servers = f"/servers?name=^{NAME}$"
    for server in api.get("nova", servers)["servers"]:
        api.call("DELETE", "nova", f"/servers/{server['id']}", None)
    wait_until(
        lambda: not api.get("nova", servers)["servers"],
        lambda: "the probe server was not deleted",
        PROBE_S,
    )
    for flavor in api.get("nova", "/flavors")["flavors"]:
        if flavor["name"] == NAME:
            api.call("DELETE", "nova", f"/flavors/{flavor['id']}", None)
    for image in api.get("glance", f"/images?name={NAME}")["images"]:
        api.call("DELETE", "glance", f"/images/{image['id']}", None)
    for network in api.get("neutron", f"/networks?name={NAME}")["networks"]:
        api.call("DELETE", "neutron", f"/networks/{network['id']}", None)


def _image_body() -> dict[str, str]:
    return {
        "name": NAME,
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "private",
    }
