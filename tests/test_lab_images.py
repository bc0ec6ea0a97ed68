"""Images of every sort really arrive at the lab's target, once, and whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openstack.connection import Connection

from pumphouse.models import SOURCE_ID
from tests.lab_tenants import Tenant
from tests.migrations import Writes, site

pytest_plugins = ["tests.lab"]
pytestmark = [pytest.mark.lab, pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]

BLOCK = b"pumphouse" * 4096


def made(tenant: Tenant, name: str, **attributes: Any) -> str:
    """Create an image by raw calls, as the administrator for the tenant; return its id."""
    glance = tenant.admin.image
    body = {
        "name": f"{tenant.name}-{name}",
        "owner": tenant.project_id,
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "private",
        **attributes,
    }
    answer = glance.post("/images", json=body)
    assert answer.status_code == 201, answer.text
    image_id: str = answer.json()["id"]
    kind = {"Content-Type": "application/octet-stream"}
    sent = glance.put(f"/images/{image_id}/file", data=BLOCK, headers=kind)
    assert sent.status_code == 204, sent.text
    return image_id


def shown(cloud: Connection, source_id: str) -> dict[str, Any]:
    """Return the one copy of an image, as Glance shows it, with its members."""
    found = [
        raw
        for hidden in ("false", "true")
        for raw in cloud.image.get(
            "/images",
            params={"visibility": "all", SOURCE_ID: source_id, "os_hidden": hidden},
        ).json()["images"]
    ]
    (copy,) = found
    members = []
    if copy["visibility"] == "shared":
        members = cloud.image.get(f"/images/{copy['id']}/members").json()["members"]
    return {**copy, "members": {m["member_id"]: m["status"] for m in members}}


def test_images_of_every_sort_arrive(
    clouds_file: Path, tmp_path: Path, make_tenant: Callable[[], Tenant],
    source: Connection, target: Connection, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Hidden, protected, deactivated, shared, with a kernel: all as they were; then no write."""
    from pumphouse.flows.migrate import migrate

    tenant, friend, stranger = make_tenant(), make_tenant(), make_tenant()
    kernel = made(tenant, "kernel", disk_format="aki", container_format="aki")
    ramdisk = made(tenant, "ramdisk", disk_format="ari", container_format="ari")
    plain = made(
        tenant, "plain", os_hidden=True, protected=True, tags=["golden"], min_disk=2, min_ram=64,
        hw_disk_bus="virtio", image_type="snapshot", kernel_id=kernel, ramdisk_id=ramdisk,
    )  # fmt: skip
    shared = made(tenant, "shared", visibility="shared")
    for project, status in ((friend.project_id, "accepted"), (stranger.project_id, "")):
        members = f"/images/{shared}/members"
        source.image.post(members, json={"member": project}).raise_for_status()
        if status:
            path = f"{members}/{project}"
            source.image.put(path, json={"status": status}).raise_for_status()
    off = made(tenant, "off")
    source.image.post(f"/images/{off}/actions/deactivate").raise_for_status()
    pair = site(clouds_file, tmp_path / "store", ("source", "target"))
    pair.save("lab-images", overwrite=True)
    options = {"projects": [tenant.name, friend.name], "site": "lab-images"}
    try:
        migrate(**options)
        copy = shown(target, plain)
        wanted = source.image.get(f"/images/{plain}").json()
        for name in (
            "checksum", "os_hash_value", "size", "min_disk", "min_ram", "os_hidden", "protected",
            "tags", "visibility", "disk_format", "container_format", "hw_disk_bus", "image_type",
        ):  # fmt: skip
            assert copy[name] == wanted[name], name
        assert copy["os_hidden"] is True
        assert copy["kernel_id"] == shown(target, kernel)["id"]
        assert copy["ramdisk_id"] == shown(target, ramdisk)["id"]
        assert shown(target, off)["status"] == "deactivated"
        there = target.identity.find_project(friend.name)
        assert shown(target, shared)["members"] == {there.id: "accepted"}
        writes = Writes(monkeypatch.setattr)
        assert migrate(**options).done == 0
        assert writes.seen == []
    finally:
        # What lists hidden images apart does not see these when it cleans up.
        for cloud in (source, target):
            for raw in cloud.image.get(
                "/images", params={"os_hidden": "true", "visibility": "all"}
            ).json()["images"]:
                if raw["name"].startswith(tenant.name):
                    cloud.image.update_image(raw["id"], is_protected=False)
                    cloud.image.delete_image(raw["id"])


def test_an_image_of_a_volume_backed_server_is_said(
    clouds_file: Path, tmp_path: Path, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no bytes: the plan says what to do, and leaves it out when told to."""
    from pumphouse.errors import Refused
    from pumphouse.flows.migrate import migrate

    answer = tenant.admin.image.post("/images", json={
        "name": f"{tenant.name}-volume", "owner": tenant.project_id, "disk_format": "raw",
        "container_format": "bare", "visibility": "private",
        "block_device_mapping": '[{"source_type": "snapshot", "snapshot_id": "x"}]',
    })  # fmt: skip
    image_id = answer.json()["id"]
    kind = {"Content-Type": "application/octet-stream"}
    tenant.admin.image.put(f"/images/{image_id}/file", data=b"", headers=kind).raise_for_status()
    pair = site(clouds_file, tmp_path / "store", ("source", "target"))
    pair.save("lab-images", overwrite=True)
    writes = Writes(monkeypatch.setattr)
    with pytest.raises(Refused, match="boots from a volume"):
        migrate(projects=[tenant.name], site="lab-images", dry_run=True)
    left = {"exclude": [f"images:{image_id}"], "dry_run": True}
    assert migrate(projects=[tenant.name], site="lab-images", **left).actions["create"] > 0
    assert writes.seen == []
