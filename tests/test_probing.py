"""A probe without a named flavor gets the smallest that its image fits into, or none."""

from typing import Any

import pytest

from pumphouse.probing import GIB, candidates
from pumphouse.tasks.api import Api
from pumphouse.tasks.host_joining import flavor_for, problems
from pumphouse.upgrade_options import Probe, UpgradeOptions
from tests.fakecloud import FakeCloud


def flavor(name: str, ram: int, disk: int = 1, **values: Any) -> dict[str, Any]:
    size = {"ram": ram, "vcpus": 1, "disk": disk, "extra_specs": {}}
    return {"id": f"f-{name}", "name": name, **size, **values}


IMAGE = {"id": "i1", "name": "cirros", "min_ram": 128, "min_disk": 2, "size": 2 * GIB}


@pytest.mark.parametrize(
    ("flavors", "expected"),
    [
        ([flavor("big", 512, 9), flavor("small", 128, 2)], ["small", "big"]),
        ([flavor("little ram", 64, 2), flavor("little disk", 128, 1)], []),
        ([flavor("disk of the image", 128, 0), flavor("own disk", 128, 2)],
         ["own disk", "disk of the image"]),
        ([flavor("gpu", 128, 2, extra_specs={"resources:VGPU": "1"})], []),
        ([flavor("private", 128, 2, **{"os-flavor-access:is_public": False})], []),
        ([flavor("disabled", 128, 2, **{"OS-FLV-DISABLED:disabled": True})], []),
        ([], []),
    ],
)  # fmt: skip
def test_the_smallest_that_fits_comes_first(
    flavors: list[dict[str, Any]], expected: list[str]
) -> None:
    """RAM first; what is private, disabled or asks for special hosts is passed over."""
    assert [found["name"] for found in candidates(flavors, IMAGE)] == expected


def test_an_image_grows_when_it_is_unpacked() -> None:
    """Its virtual size counts where Glance knows it."""
    image = {**IMAGE, "virtual_size": 5 * GIB}

    assert list(candidates([flavor("a", 128, 4)], image)) == []
    assert len(list(candidates([flavor("a", 128, 5)], image))) == 1


def test_an_old_nova_is_asked_for_extra_specs() -> None:
    """Its list does not have them; one that has some is passed over."""
    rows = [flavor("gpu", 128, 2), flavor("plain", 256, 2)]
    for row in rows:
        del row["extra_specs"]
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        cloud.route("GET", "compute", "/flavors/detail", {"flavors": rows})
        specs = {"extra_specs": {"pci_passthrough:alias": "x"}}
        cloud.route("GET", "compute", "/flavors/f-gpu/os-extra_specs", specs)
        cloud.route("GET", "compute", "/flavors/f-plain/os-extra_specs", {"extra_specs": {}})

        found = flavor_for(api, IMAGE)

    assert found is not None
    assert found["name"] == "plain"


@pytest.mark.parametrize(("ram", "objections"), [(64, 1), (128, 0)])
def test_no_flavor_that_fits_is_an_objection_before_anything_is_touched(
    ram: int, objections: int
) -> None:
    """It names what would help."""
    options = UpgradeOptions(probe=Probe(image="cirros"))
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        cloud.route("GET", "compute", "/os-aggregates", {"aggregates": []})
        cloud.route("GET", "image", "/images", {"images": [IMAGE]})
        cloud.route("GET", "compute", "/flavors/detail", {"flavors": [flavor("x", ram, 2)]})

        found = list(problems(api, options))

    assert len(found) == objections
    assert all("upgrade.probe.flavor" in problem for problem in found)
