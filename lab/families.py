"""Daemons that start together because they import the same project."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.commands import run
from lab.environment import HERE
from lab.files import write
from lab.layout import Cloud, Lab
from lab.processes import MARK, Processes

PROJECTS = ("nova", "cinder")


def in_family(argv: Sequence[str], project: str | None = None) -> bool:
    """Tell whether a command is a daemon of the project, or of any that has a family."""
    projects = (project,) if project else PROJECTS
    return Path(argv[0]).name.split("-")[0] in projects


def start_families(
    lab: Lab,
    cloud: Cloud,
    processes: Processes,
    commands: Mapping[str, Sequence[str]],
    env: Mapping[str, str],
) -> None:
    """Start the daemons of Nova and Cinder that do not run."""
    for project in PROJECTS:
        family = {name: argv for name, argv in commands.items() if in_family(argv, project)}
        missing = {
            f"{cloud.name}-{name}": list(argv)
            for name, argv in family.items()
            if not processes.leader(f"{cloud.name}-{name}")
        }
        if missing:
            processes.stop(missing)
            _fork(lab, cloud, processes, project, missing, env)


def _fork(
    lab: Lab,
    cloud: Cloud,
    processes: Processes,
    project: str,
    missing: Mapping[str, list[str]],
    env: Mapping[str, str],
) -> None:
    daemons = [
        {"name": name, "argv": argv, "log": str(processes.log(name))}
        for name, argv in missing.items()
    ]
    plan = cloud.home / f"{project}-daemons.json"
    write(plan, json.dumps(daemons))
    output = run(
        [cloud.program("python"), HERE / "drivers" / "prefork.py", plan],
        {**env, MARK: str(lab.run)},
    )
    for name, pid in json.loads(output.splitlines()[-1]).items():
        processes.adopt(name, pid)
