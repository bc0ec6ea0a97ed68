"""Copies of volumes by way of an image: which may be trusted, and what a killed run leaves."""

from collections.abc import Iterator
from typing import Any

import pytest

from pumphouse.errors import WaitFailed
from pumphouse.tasks import volumes
from pumphouse.tasks.api import Api
from tests.fakecloud import Answer, FakeCloud, Request


class Cinder:
    """The volumes of one fake cloud: all that it is asked for is done at once."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.after_delete = ""
        cloud.route("GET", "block-storage", "/volumes/{id}", self._show)
        cloud.route("DELETE", "block-storage", "/volumes/{id}", self._delete)

    def _show(self, request: Request) -> Any:
        found = self.kept.get(request.parts["id"])
        return {"volume": found} if found else Answer(404, {"message": "No such volume."})

    def _delete(self, request: Request) -> Answer:
        if self.after_delete:
            self.kept[request.parts["id"]]["status"] = self.after_delete
        else:
            del self.kept[request.parts["id"]]
        return Answer(202)


@pytest.fixture(name="target")
def _target() -> Iterator[tuple[Cinder, Api]]:
    """Yield the target's Cinder, and what talks to it."""
    with FakeCloud() as cloud:
        cinder = Cinder(cloud)
        with Api(cloud.block(), "target") as api:
            yield cinder, api


def test_a_volume_that_cannot_be_deleted_is_not_gone(target: tuple[Cinder, Api]) -> None:
    """Who undoes or finalizes must not say that it is done."""
    cinder, api = target
    cinder.kept["c1"] = {"id": "c1", "name": "data", "status": "available", "metadata": {}}
    cinder.after_delete = "error_deleting"

    with pytest.raises(WaitFailed, match=r"It became error_deleting .*target's cinder-volume"):
        volumes.delete_volume(api, "c1", 5)
