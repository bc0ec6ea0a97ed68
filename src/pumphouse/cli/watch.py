"""Run a deployment through the Prefect server, and watch it in the terminal."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from pumphouse.cli import engine
from pumphouse.cli.console import err, escape, out
from pumphouse.errors import ConfigError, RunFailed, exit_code

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import Artifact, FlowRun

LOOK_EVERY_S = 1.0
LOG_PAGE = 200
PREFECTS_OWN = re.compile(
    "Beginning (sub)?flow run|Finished in state|Created task run|Downloading flow code"
)
"""What Prefect says about itself in a run's log."""

STATES = {"COMPLETED": "done", "RUNNING": "running", "FAILED": "failed", "PENDING": "waiting"}


def run(name: str, parameters: Mapping[str, Any], quiet: bool = False) -> None:
    """
    Start deployment *name* (``flow/deployment``), watch it to its end, and print its pages.

    Raises:
        ConfigError: The deployment does not exist or refuses the parameters.
        RunFailed: The run did not complete; its exit code is that of the error that ended it.
        ServerUnreachable: The Prefect server does not answer.
    """
    engine.require_server()
    with engine.answering():
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            started = _start(client, name, parameters)
            err.print(f"Run [bold]{escape(started.name)}[/] {page(started.id)}")
            ended = Watch(client, started.id, quiet).until_end()
            if ended is None:
                err.print(f"It goes on without you: {page(started.id)}")
                return
            _print_end(client, ended)
    _raise_unless_completed(ended)


def page(run_id: UUID) -> str:
    """Return the address of a flow run's page."""
    return f"{_ui()}/runs/flow-run/{run_id}"


def _ui() -> str:
    from prefect.settings import get_current_settings

    return get_current_settings().ui_url or (engine.server_url() or "").removesuffix("/api")


def _start(client: "SyncPrefectClient", name: str, parameters: Mapping[str, Any]) -> "FlowRun":
    from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

    try:
        deployment = client.read_deployment_by_name(name)
    except ObjectNotFound as error:
        problem = f"The server has no deployment {name}; deploy it with `pumphouse deploy`."
        raise ConfigError("--deployment", [problem]) from error
    try:
        return client.create_flow_run_from_deployment(deployment.id, parameters=dict(parameters))
    except PrefectHTTPStatusError as error:
        if error.response.status_code not in (409, 422):
            raise
        detail = str(error.response.json().get("detail", error.response.text))
        raise ConfigError(name, [detail]) from error


class Watch:
    """Looks at one flow run every second; prints its log lines, shows state and counts."""

    def __init__(self, client: "SyncPrefectClient", run_id: UUID, quiet: bool) -> None:
        self.client = client
        self.run_id = run_id
        self.quiet = quiet
        self.printed = 0
        self.began = time.monotonic()

    def until_end(self) -> "FlowRun | None":
        """Return the run when it has ended, or None when the operator leaves it running."""
        while True:
            try:
                return self._follow()
            except KeyboardInterrupt:
                if not self._interrupted():
                    return None

    def _follow(self) -> "FlowRun":
        with Live(console=err, refresh_per_second=4, transient=True) as live:
            while True:
                seen = self.client.read_flow_run(self.run_id)
                live.update(self._status(seen))
                self._print_lines()
                if seen.state is not None and seen.state.is_final():
                    # The last lines arrive in batches, up to two seconds after the end.
                    time.sleep(2)
                    self._print_lines()
                    return seen
                time.sleep(LOOK_EVERY_S)

    def _interrupted(self) -> bool:
        """Ask what the interrupt means; return whether to go on watching."""
        try:
            asked = "Cancel the run (c), leave it running (l), or go on watching (w)?"
            answer = typer.prompt(asked, default="w", err=True).strip().lower()
        except (KeyboardInterrupt, typer.Abort):
            answer = "l"
        if answer.startswith("c"):
            from prefect.states import Cancelling

            self.client.set_flow_run_state(self.run_id, Cancelling(), force=False)
            err.print("Cancelling: running steps are undone or brought to a safe end first.")
        return not answer.startswith("l")

    def _status(self, seen: "FlowRun") -> Group:
        state = seen.state.name if seen.state else "Unknown"
        elapsed = time.monotonic() - self.began
        counts = ", ".join(f"{n} {word}" for word, n in self._counts() if n)
        text = f"{seen.name}: {state}, {elapsed:.0f} s" + (f", tasks: {counts}" if counts else "")
        return Group(Spinner("dots", Text(text)))

    def _counts(self) -> Iterator[tuple[str, int]]:
        for state, word in STATES.items():
            body = {
                "flow_runs": {"id": {"any_": [str(self.run_id)]}},
                "task_runs": {"state": {"type": {"any_": [state]}}},
            }
            yield word, self.client.request("POST", "/task_runs/count", json=body).json()

    def _print_lines(self) -> None:
        while True:
            body = {
                "logs": {"flow_run_id": {"any_": [str(self.run_id)]}},
                "offset": self.printed,
                "limit": LOG_PAGE,
                "sort": "TIMESTAMP_ASC",
            }
            lines = self.client.request("POST", "/logs/filter", json=body).json()
            for line in lines:
                self._print_line(line)
            self.printed += len(lines)
            if len(lines) < LOG_PAGE:
                return

    def _print_line(self, line: Mapping[str, Any]) -> None:
        level = line["level"]
        ours = line["name"] in ("prefect.flow_runs", "prefect.task_runs")
        if level < (30 if self.quiet or not ours or PREFECTS_OWN.match(line["message"]) else 20):
            return
        color = "red" if level >= 40 else "yellow" if level >= 30 else "default"
        first, _, rest = line["message"].partition("\n")
        more = " …" if rest else ""
        err.print(f"[dim]{line['timestamp'][11:19]}[/] [{color}]{escape(first)}{more}[/]")


def _print_end(client: "SyncPrefectClient", ended: "FlowRun") -> None:
    state = ended.state.name if ended.state else "Unknown"
    color = "green" if state == "Completed" else "red"
    seconds = ended.total_run_time.total_seconds()
    out.print(f"[{color}]{state}[/] {escape(ended.name)} in {seconds:.0f} s")
    artifacts = _artifacts(client, ended.id)
    width = max([3, *(len(artifact.key or "") for artifact in artifacts)])
    out.print(f"  {'run':{width}}  {page(ended.id)}", soft_wrap=True)
    for artifact in artifacts:
        address = f"{_ui()}/artifacts/artifact/{artifact.id}"
        out.print(f"  {artifact.key or '':{width}}  {address}", soft_wrap=True)


def _artifacts(client: "SyncPrefectClient", run_id: UUID) -> "list[Artifact]":
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    chosen = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
    found = client.read_artifacts(artifact_filter=chosen)
    return sorted((a for a in found if a.key), key=lambda a: a.key or "")


def _raise_unless_completed(ended: "FlowRun") -> None:
    state = ended.state
    if state is None or state.is_completed():
        return
    message = state.message or "without a message."
    code = code_of(message)
    raise RunFailed(ended.name, f"{state.name}: {message}", page(ended.id), code)


def code_of(message: str) -> int:
    """Return the exit code that a failed state's *message* stands for; it names the error."""
    named = re.search(r"exception: (\w+):", message)
    return exit_code(named.group(1)) if named else 1
