"""What a Prefect server needs before the first run: pool, deployments, automation, block types."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import yaml
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.blocks.fuel import Fuel
from pumphouse.blocks.site import Site
from pumphouse.blocks.switch import Switch
from pumphouse.deployments import POOL
from pumphouse.errors import PumphouseError

DEPLOYMENTS = Path(__file__).parent / "prefect.yaml"
ZOMBIES = "Crash runs without a heartbeat"
SILENCE = timedelta(seconds=90)
"""Three heartbeats of a worker that was started with our settings."""


class DeployFailed(PumphouseError):
    """``prefect deploy`` failed; `output` is what it said."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output

    def __str__(self) -> str:
        return f"The deployments were not written to the server:\n{self.output}"


def set_up() -> list[str]:
    """
    Write everything that is missing, and say what was written. Safe to repeat.

    Raises:
        DeployFailed: The deployments were refused. Pool and automation are there.
    """
    for block in (OpenStackCloud, Fuel, Bmc, Switch, Site):
        block.register_type_and_schema()
    return [
        "block types OpenStack Cloud, Fuel, Pumphouse BMC, Pumphouse Switch, Pumphouse Site",
        _create_pool(),
        _create_automation(),
        *_deploy(),
    ]


def _create_pool() -> str:
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(
        name=POOL,
        type="process",
        description="Workers that have Pumphouse installed and reach the clouds.",
        base_job_template=template,
    )
    with get_client(sync_client=True) as client:
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            return f"work pool {POOL} (was there)"
    return f"work pool {POOL}"


def _create_automation() -> str:
    """Crash runs whose process is gone with its worker: nobody else would notice."""
    with get_client(sync_client=True) as client:
        if client.read_automations_by_name(ZOMBIES):
            return f"automation {ZOMBIES} (was there)"
    Automation(
        name=ZOMBIES,
        description="A run whose host died sends no heartbeat; without this it runs for ever.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=SILENCE,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="Its heartbeats stopped.")],
    ).create()
    return f"automation {ZOMBIES}"


def _deploy() -> list[str]:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    command += ["--prefect-file", str(DEPLOYMENTS)]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True)
    if done.returncode:
        raise DeployFailed(done.stdout + done.stderr)
    names = [each["name"] for each in yaml.safe_load(DEPLOYMENTS.read_text())["deployments"]]
    return [f"deployments {', '.join(names)}"]
