"""Users of the lab's source log in at its target: with the old password, or with a new one."""

import csv
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from keystoneauth1.exceptions import Unauthorized
from openstack.connection import Connection

from lab.layout import Lab
from pumphouse.blocks.site import Site
from tests.lab import LABEL
from tests.migrations import Writes, site

pytest_plugins = ["tests.lab"]
pytestmark = [pytest.mark.lab, pytest.mark.prefect, pytest.mark.usefixtures("prefect_server")]

OLD = "a password that is old"


@pytest.fixture(name="name")
def _name(source: Connection, target: Connection) -> Iterator[str]:
    """Make a project with a user at the source, both of one name; remove them and their copies."""
    name = f"{LABEL}-{uuid.uuid4().hex[:6]}"
    keystone = source.identity
    project = keystone.create_project(name=name, domain_id="default")
    user = keystone.create_user(name=name, domain_id="default", password=OLD)
    keystone.assign_project_role_to_user(project, user, keystone.find_role("member"))
    yield name
    for cloud in (source, target):
        for found in cloud.identity.users(name=name):
            cloud.identity.delete_user(found)
        for found in cloud.identity.projects(name=name):
            cloud.identity.delete_project(found)


def database(lab: Lab, role: str) -> str:
    """Return the URL of a Keystone's database, as the lab configured it."""
    text = (lab.run / role / "etc" / "keystone" / "keystone.conf").read_text()
    (line,) = [each for each in text.splitlines() if each.startswith("connection =")]
    return line.partition("=")[2].strip()


def log_in(cloud: Connection, name: str, password: str) -> str:
    """Return the id of the user that *name* and *password* log in as."""
    one = openstack.connect(
        load_yaml_config=False, load_envvars=False, auth_url=cloud.config.auth["auth_url"],
        username=name, password=password, project_name=name, user_domain_id="default",
        project_domain_id="default",
    )  # fmt: skip
    try:
        return str(one.session.get_user_id())
    finally:
        one.close()


def migrate(pair: Site, name: str) -> Any:
    """Copy the project's identity."""
    from pumphouse.flows.migrate import migrate as flow

    pair.save("passwords", overwrite=True)
    return flow(projects=[name], kinds=["identity"], site="passwords")


def test_a_user_logs_in_with_the_old_password(
    lab: Lab, name: str, target: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash travels between two Keystones of different releases, once."""
    urls = {f"{role}_database": database(lab, role) for role in ("source", "target")}
    pair = site(lab.clouds_file, tmp_path / "store", ("source", "target"))
    pair = pair.model_copy(
        update={"passwords": pair.passwords.model_validate({"mode": "hashes", **urls})}
    )

    migrate(pair, name)

    (copy,) = target.identity.users(name=name)
    assert log_in(target, name, OLD) == copy.id
    with pytest.raises(Unauthorized):
        log_in(target, name, OLD.upper())
    writes = Writes(monkeypatch.setattr)
    assert migrate(pair, name).done == 0
    assert writes.seen == []
    assert log_in(target, name, OLD) == copy.id


def test_a_user_logs_in_with_the_delivered_password(
    lab: Lab, name: str, target: Connection, tmp_path: Path
) -> None:
    """The file on the worker has it; the old one is none."""
    pair = site(lab.clouds_file, tmp_path / "store", ("source", "target"))

    migrate(pair, name)

    (copy,) = target.identity.users(name=name)
    (line,) = csv.DictReader(Path(pair.passwords.file).read_text().splitlines())
    assert line["user"] == name
    assert log_in(target, name, line["password"]) == copy.id
    with pytest.raises(Unauthorized):
        log_in(target, name, OLD)
