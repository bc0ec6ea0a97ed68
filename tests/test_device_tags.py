"""What NICs and disks are called inside a server."""

from typing import Any, cast

import pytest

from pumphouse.tasks import device_tags
from pumphouse.tasks.api import Api


class Nova:
    """An Api that knows the NICs and volumes of one server."""

    def __init__(self, version: str | None) -> None:
        self.version = version

    def microversion(self, service: str) -> str | None:
        return self.version

    def get(self, service: str, path: str, params: Any, version: str) -> dict[str, Any]:
        nics = [{"mac_addr": "fa:1", "tag": "front"}, {"mac_addr": "fa:2", "tag": None}]
        disks = [{"volumeId": "vol1", "tag": "data"}, {"volumeId": "vol2", "tag": None}]
        return {"interfaceAttachments": nics, "volumeAttachments": disks}


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.96", {"fa:1": "front", "vol1": "data"}), ("2.69", {}), (None, {})],
)
def test_only_a_nova_that_shows_them_is_asked(
    version: str | None, expected: dict[str, str]
) -> None:
    """Before 2.70 they are known inside the server only."""
    assert device_tags.read(cast(Api, Nova(version)), "s") == expected


def test_they_are_put_on_the_ports_and_volumes_of_the_copy() -> None:
    """By MAC and by volume; what has none gets none."""
    body = {
        "networks": [{"port": "P1"}, {"port": "P2"}],
        "block_device_mapping_v2": [{"uuid": "I"}, {"uuid": "V1"}, {"source_type": "blank"}],
    }
    there = {"fa:1": "P1", "fa:2": "P2", "vol1": "V1"}
    device_tags.put(body, {"fa:1": "front", "vol1": "data"}, there)
    assert body == {
        "networks": [{"port": "P1", "tag": "front"}, {"port": "P2"}],
        "block_device_mapping_v2": [
            {"uuid": "I"}, {"uuid": "V1", "tag": "data"}, {"source_type": "blank"},
        ],
    }  # fmt: skip


def test_a_server_without_nics_has_none_to_name() -> None:
    """Nova then has a word instead of a list."""
    body = {"networks": "none", "block_device_mapping_v2": []}
    device_tags.put(body, {"fa:1": "front"}, {"fa:1": "P1"})
    assert body == {"networks": "none", "block_device_mapping_v2": []}
