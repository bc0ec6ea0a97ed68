"""The top-level folders are the package: no file has two names."""

from pathlib import Path

import pytest
import yaml

import pumphouse

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("folder", ["blocks", "deployments", "flows", "reports", "tasks"])
def test_each_folder_is_linked_into_the_package(folder: str) -> None:
    """A checkout without symlinks is told so here, not by an ImportError."""
    linked = Path(pumphouse.__file__).parent / folder

    assert (ROOT / folder).resolve() == linked.resolve()


def test_deployments_name_flows_that_exist() -> None:
    """Both deployments are found by module: nothing is pulled on a worker."""
    written = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())

    assert written["pull"] == []
    for deployment in written["deployments"]:
        module, _, flow = deployment["entrypoint"].rpartition(".")
        path = ROOT / Path(*module.split(".")[1:]).with_suffix(".py")
        assert f"def {flow}(" in path.read_text()
