"""The databases of one cloud: created, filled with tables, and Nova's cells mapped."""

import concurrent.futures
from pathlib import Path

from lab.commands import run
from lab.environment import cloud_environment
from lab.files import mark
from lab.infrastructure import sql
from lab.layout import DATABASES, PASSWORD, REGION, Cloud, Lab
from lab.output import say


def create_schemas(lab: Lab, cloud: Cloud) -> None:
    """Bring all databases of a cloud to its release; a second run does nothing."""
    done = cloud.home / "schemas.done"
    if done.exists():
        return
    names = [cloud.database(name) for name in DATABASES]
    sql(lab, "".join(f"CREATE DATABASE IF NOT EXISTS {name};" for name in names))
    steps = _Steps(lab, cloud)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = (steps.neutron, steps.nova, steps.keystone, steps.others)
        for job in [pool.submit(job) for job in jobs]:
            job.result()
    mark(done)


class _Steps:
    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self._lab = lab
        self._cloud = cloud
        self._env = cloud_environment(cloud)

    def keystone(self) -> None:
        as_root = ("--keystone-user", "root", "--keystone-group", "root")
        url = self._cloud.url("keystone", "/v3")
        manage = ("keystone-manage", "keystone/keystone.conf")
        self._run(*manage, "fernet_setup", *as_root)
        self._run(*manage, "credential_setup", *as_root)
        self._run(*manage, "db_sync")
        self._run(
            *manage,
            "bootstrap",
            *("--bootstrap-password", PASSWORD, "--bootstrap-region-id", REGION),
            *("--bootstrap-public-url", url, "--bootstrap-internal-url", url),
            *("--bootstrap-admin-url", url),
        )
        self._say("keystone")

    def nova(self) -> None:
        manage = ("nova-manage", "nova/nova.conf")
        cell0 = self._lab.database_url(self._cloud.database("nova_cell0"))
        self._run(*manage, "api_db", "sync")
        self._run(*manage, "cell_v2", "map_cell0", "--database_connection", cell0)
        self._run(*manage, "db", "sync")
        if "cell1" not in self._run(*manage, "cell_v2", "list_cells"):
            self._run(*manage, "cell_v2", "create_cell", "--name", "cell1")
        self._say("nova")

    def neutron(self) -> None:
        plugin = str(self._cloud.etc / "neutron" / "ml2_conf.ini")
        self._run(
            "neutron-db-manage", "neutron/neutron.conf", "--config-file", plugin,
            "upgrade", "heads",
        )  # fmt: skip
        self._say("neutron")

    def others(self) -> None:
        self._run("placement-manage", "placement/placement.conf", "db", "sync")
        self._run("glance-manage", "glance/glance-api.conf", "db_sync")
        self._run("cinder-manage", "cinder/cinder.conf", "db", "sync")
        self._say("placement, glance and cinder")

    def _run(self, program: str, config: str, *words: str) -> str:
        argv = [
            self._cloud.program(program),
            "--config-file",
            self._cloud.etc / Path(config),
            *words,
        ]
        return run(argv, self._env, self._lab.logs / f"{self._cloud.name}-schemas.log")

    def _say(self, what: str) -> None:
        say(f"{self._cloud.name}: tables of {what}")


def map_hosts(lab: Lab, cloud: Cloud) -> None:
    """Tell Nova's API which cell its compute hosts are in."""
    done = cloud.home / "hosts.done"
    if done.exists():
        return
    run(
        [
            cloud.program("nova-manage"),
            "--config-file",
            cloud.etc / "nova" / "nova.conf",
            "cell_v2",
            "discover_hosts",
        ],
        cloud_environment(cloud),
        lab.logs / f"{cloud.name}-schemas.log",
    )
    mark(done)
