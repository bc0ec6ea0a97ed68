"""``python -m demo up|down``: what ``make demo`` and ``make demo-down`` run."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from rich.console import Console
from rich.rule import Rule

from demo import hosts, views
from lab.packages import missing_packages
from lab.settings import load_lab
from pumphouse.deployments.processes import Process
from pumphouse.deployments.services import Services, options
from pumphouse.errors import PumphouseError

FOLDER = Path(".pumphouse").absolute()
CONFIG = FOLDER / "config.yaml"
STORAGE = FOLDER / "storage"
FILES_PORT = int(os.environ.get("PUMPHOUSE_FILES_PORT", "4280"))
PROJECT = "acme"
OTHER_PROJECT = "umbrella"
# The default of every form: a run by hand needs no word about it.
SITE = "default"
CLOUDS = ("source", "target")

console = Console(highlight=False)
began = time.monotonic()


def main() -> int:
    """Run one command; return an exit code as the command line does."""
    parser = argparse.ArgumentParser(prog="python -m demo")
    parser.add_argument("action", choices=("up", "down"))
    action = parser.parse_args().action
    try:
        return {"up": up, "down": down}[action]()
    except subprocess.CalledProcessError as failed:
        console.print(f"[red]{' '.join(map(str, failed.cmd))} ended with {failed.returncode}.[/]")
        return failed.returncode
    except PumphouseError as error:
        console.print(f"[red]{error}[/]")
        return error.exit_code


def up() -> int:
    """Start everything, discover, migrate, upgrade a host, and show what happened."""
    FOLDER.mkdir(exist_ok=True, mode=0o700)
    _say_what_needs_root()
    _write_config()
    _files().start(_serve_files(), dict(os.environ))
    services = Services(FOLDER, options(os.environ))
    with ThreadPoolExecutor(1) as pool:
        # Prefect's start and the lab's both wait a lot: side by side.
        prefect = pool.submit(_start_prefect, services)
        _start_lab()
        _title("Prefect")
        console.print(prefect.result(), end="", highlight=False, markup=False)
    environment = os.environ | services.client_environment()
    _pumphouse(environment, "config", "check")
    _title("Discover both clouds")
    _pumphouse(environment, "discover", "--deployment")
    reports = {"Inventory": views.newest(STORAGE, "inventories/*/*/report.html")}
    before = views.look(CONFIG, PROJECT)
    _title(f"Migrate project {PROJECT}")
    _pumphouse(environment, "migrate", "--project", PROJECT, "--deployment", "--yes")
    reports["Migration"] = views.newest(STORAGE, "runs/*/report.html")
    after = views.look(CONFIG, PROJECT)
    clouds = load_lab().clouds_file
    chosen, racks = hosts.choose(clouds, OTHER_PROJECT), hosts.look(clouds)
    _title(f"Empty host {chosen.host}")
    to_target = ("--to-target", chosen.server)
    _pumphouse(environment, "evacuate", chosen.host, *to_target, "--deployment", "--yes")
    _title(f"Make host {chosen.host} a compute node of the target")
    _pumphouse(environment, "upgrade-host", chosen.host, "--deployment", "--yes")
    _title("Result")
    views.show(console, PROJECT, before, after, views.downtimes(STORAGE))
    hosts.show(console, racks, hosts.look(clouds))
    _print_addresses(services, reports)
    return 0


def down() -> int:
    """
    Stop everything that `up` started. Reports and run history stay.

    The clouds go back to their first state, so that the next demo has something to migrate.
    """
    services = Services(FOLDER, options(os.environ))
    for process in (services.worker, services.server, _files()):
        word = "stopped" if process.stop() else "was not running"
        console.print(f"{process.name} {word}.")
    _run(sys.executable, "-m", "lab", "down", "--wipe")
    return 0


def _title(text: str) -> None:
    console.print()
    console.print(Rule(f"{text}  [dim]{time.monotonic() - began:.0f} s[/]", align="left"))


def _say_what_needs_root() -> None:
    _title("Two clouds")
    console.print("The lab needs root: it bind-mounts folders below its own directory", end="")
    missing = missing_packages()
    console.print(f", and apt installs {', '.join(missing)}." if missing else ".")
    console.print(f"Everything else is written to {FOLDER} and the lab's directory.")


def _start_lab() -> None:
    _run(sys.executable, "-m", "lab", "up", "--size", "small")
    if not views.has_project(load_lab().clouds_file, PROJECT):
        _run(sys.executable, "-m", "lab", "populate", "--size", "small")


def _start_prefect(services: Services) -> str:
    """Start server and worker with everything deployed; return what the commands said."""
    services.start_server()
    environment = os.environ | services.client_environment()
    said = [_said(environment, "config", "register"), _said(environment, "deploy")]
    services.start_worker()
    return "".join(said)


def _write_config() -> None:
    lab = load_lab()
    settings = {
        "name": SITE,
        **{role: {"entry": role, "clouds_yaml": str(lab.clouds_file)} for role in CLOUDS},
        "storage": {"url": str(STORAGE), "web_url": f"http://127.0.0.1:{FILES_PORT}"},
        "passwords": {"file": str(FOLDER / "passwords.csv")},
        # The servers of the demo look at their ports only: no system answers a shutdown.
        "timeouts": {"server_stop_s": 60},
        **hosts.sections(lab),
    }
    CONFIG.touch(mode=0o600)
    CONFIG.write_text(yaml.safe_dump(settings, sort_keys=False))


def _files() -> Process:
    return Process(FOLDER, "files")


def _serve_files() -> list[str]:
    STORAGE.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "http.server", str(FILES_PORT)]
    return [*command, "--bind", "127.0.0.1", "--directory", str(STORAGE)]


def _pumphouse(environment: dict[str, str], *words: str) -> None:
    command = str(Path(sys.executable).parent / "pumphouse")
    console.print(f"[dim]$ pumphouse {' '.join(words)}[/]")
    subprocess.run(
        [command, *words], check=True, env=environment | {"PUMPHOUSE_CONFIG": str(CONFIG)}
    )


def _said(environment: dict[str, str], *words: str) -> str:
    command = [str(Path(sys.executable).parent / "pumphouse"), *words]
    done = subprocess.run(
        command,
        env=environment | {"PUMPHOUSE_CONFIG": str(CONFIG)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        # Printed here, since the exception shows only the command.
        console.print(done.stdout, markup=False)
    done.check_returncode()
    return f"$ pumphouse {' '.join(words)}\n{done.stdout}"


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


def _print_addresses(services: Services, reports: Mapping[str, str]) -> None:
    url = services.options.url
    console.print(f"Runs       {url}/runs")
    console.print(f"Artifacts  {url}/artifacts")
    for name, page in reports.items():
        console.print(f"{name:10} http://127.0.0.1:{FILES_PORT}/{page}", soft_wrap=True)
    console.print(f"\nDone in {time.monotonic() - began:.0f} s. It stays up until: make demo-down")
    console.print(f"To go on by hand: source {FOLDER}/env && export PUMPHOUSE_CONFIG={CONFIG}")


if __name__ == "__main__":
    sys.exit(main())
