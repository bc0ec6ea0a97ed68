"""The command line: what it says, and with which code it ends."""

import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from rich.live import Live
from rich.text import Text

from pumphouse import cli, tables
from pumphouse.cli import console, engine, files, hosts, maintenance, rollbacks
from pumphouse.cli.run_pages import find
from pumphouse.cli.runs import minutes
from pumphouse.cli.watch import code_of
from pumphouse.config_text import parse
from pumphouse.deployments import local
from pumphouse.errors import CloudUnreachable, ConfigError
from pumphouse.inventory import Inventory
from pumphouse.models import Role
from pumphouse.tasks import storage

HEAVY = (
    "prefect",
    "openstack",
    "pandas",
    "keystoneauth1",
    "matplotlib",
    "yaml",
    "httpx",
    "rich.console",
)


def run(*words: str) -> int:
    """Run the command line in this process and return its exit code."""
    before, sys.argv = sys.argv, ["pumphouse", *words]
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.argv = before
    return 0


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without the operator's own files and settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PUMPHOUSE_CONFIG", "PREFECT_API_URL", "PUMPHOUSE_VERBOSE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_help_is_light() -> None:
    """Nothing heavy is imported before a command needs it."""
    script = f"import sys, pumphouse.cli\nprint([m for m in {HEAVY!r} if m in sys.modules])\n"

    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert printed.stdout.strip() == b"[]"


def test_help_answers_at_once() -> None:
    """Half a second of CPU for the help, imports included."""
    command = [sys.executable, "-m", "pumphouse", "--help"]
    usage = []
    for _ in range(3):
        used = _children_cpu_s()
        subprocess.run(command, capture_output=True, check=True)
        usage.append(_children_cpu_s() - used)

    assert min(usage) < 0.5


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_every_command_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The first thing that an operator sees."""
    assert run("--help") == 0

    shown = capsys.readouterr().out
    for command in (
        "config", "discover", "plan", "migrate", "inventory", "deploy", "hosts", "upgrade-host",
        "approve",
    ):  # fmt: skip
        assert f"  {command} " in shown


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """For bug reports."""
    assert run("--version") == 0
    assert "pumphouse 0." in capsys.readouterr().out


def test_a_missing_configuration_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    """Code 2, and every place that was looked at."""
    assert run("config", "check") == 2

    said = " ".join(capsys.readouterr().err.split())
    assert "No configuration was found in config.yaml, ~/.config/pumphouse/config.yaml" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["migrate"], "Nothing is chosen"),
        (["migrate", "--project", "a"], "There is nobody to ask; give --yes"),
        (["discover", "--max-age", "soon"], "'soon' is not a number with m, h or d"),
        (["discover", "--max-age", "999999999999d"], "six digits at most"),
        (["discover"], "No configuration was found and no server is named"),
        (["config", "show", "--config", "none.yaml"], "It cannot be read: No such file"),
    ],
)
def test_wrong_input_ends_with_2(
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One sentence, no traceback, and nothing was touched."""
    monkeypatch.setattr(sys, "stdin", open("/dev/null"))  # noqa: SIM115

    assert run(*words) == 2

    shown = " ".join(capsys.readouterr().err.split())
    assert said in shown
    assert "Traceback" not in shown


def test_without_an_input_there_is_nobody_to_ask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may start us with its standard input closed; Python has None for it then."""
    monkeypatch.setattr(sys, "stdin", None)

    assert run("migrate", "project:x") == 2
    assert "There is nobody to ask" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["inventory", "export", "a-file"], "a-file: • It cannot be written: File exists"),
        (["inventory", "export", "a-file/x"], "It cannot be written: Not a directory"),
        (["inventory", "export", "taken"], "csv: • It cannot be written: Is a directory"),
        (["inventory", "report", "-o", "none/x.html"], "x.html: • It cannot be written: No such"),
        (["inventory", "list", "-c", "file.yaml"], "It cannot be read: Not a directory"),
        (["inventory", "query", "servers", "-c", "file.yaml"], "It cannot be read: Not a direct"),
    ],
)
def test_a_place_that_cannot_be_used_ends_with_2(
    words: list[str],
    said: str,
    elsewhere: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sentence with the place and the reason, no traceback."""
    (elsewhere / "a-file").touch()
    (elsewhere / "taken" / "source-regions.csv").mkdir(parents=True)
    clouds = "source: {entry: a}\ntarget: {entry: b}\n"
    (elsewhere / "config.yaml").write_text(clouds)
    (elsewhere / "file.yaml").write_text(f"{clouds}storage: {{url: a-file}}\n")
    if "file.yaml" not in words:
        regions = tables.frame("regions", [{"id": "RegionOne"}])
        found = Inventory(role=Role.SOURCE, tables={"regions": regions})
        monkeypatch.setattr(storage, "latest", lambda *_: found)

    assert run(*words) == 2

    shown = " ".join(capsys.readouterr().err.split())
    assert said in shown
    assert "Traceback" not in shown


def test_verbose_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Who debugs sees where an error comes from."""
    assert run("--verbose", "config", "show") == 2
    assert "Traceback" in capsys.readouterr().err


def test_show_hides_secrets(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is shown can be pasted into a ticket."""
    (elsewhere / "config.yaml").write_text(
        "source: {auth_url: 'http://k', username: u, password: hunter2, project_name: p}\n"
        "target: {entry: new}\n"
    )

    assert run("config", "show") == 0

    shown = capsys.readouterr().out
    assert "username: u" in shown
    assert "hunter2" not in shown


def test_an_unreachable_cloud_is_one_sentence(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 1; the other cloud is reported too."""
    cloud = "{auth_url: 'http://127.0.0.1:9/v3', username: u, password: p, project_name: p}"
    (elsewhere / "config.yaml").write_text(f"source: {cloud}\ntarget: {cloud}\n")

    assert run("config", "check") == 1

    shown = capsys.readouterr()
    for role in ("source", "target"):
        words = f"Cloud {role} cannot be used: Unable to establish connection to "
        reason = (
            "http://127.0.0.1:9/v3/auth/tokens: Connection refused. Nothing was changed there."
        )
        assert words + reason in " ".join(shown.out.split())
    assert "identity versions" not in shown.err


@pytest.mark.parametrize(
    ("clouds", "words"),
    [
        (None, "There is no such file; give its path in clouds_yaml."),
        ("clouds: {}\n", "Cloud old was not found. Name one of its entries in entry."),
    ],
)
def test_an_entry_that_is_nowhere_is_one_sentence(
    clouds: str | None, words: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 1, and what to give instead."""
    given = elsewhere / "given.yaml"
    if clouds is not None:
        given.write_text(clouds)
    old = f"{{entry: old, clouds_yaml: {given}}}"
    (elsewhere / "config.yaml").write_text(f"source: {old}\ntarget: {old}\n")

    assert run("config", "check") == 1

    assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", ["PUMPHOUSE_CONFIG", ""])
def test_the_configuration_is_looked_for_in_order(
    name: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option wins over the variable, the variable over the folder."""
    (elsewhere / "config.yaml").touch()
    if name:
        monkeypatch.setenv(name, "named.yaml")

    assert Path("named.yaml" if name else "config.yaml") == files.find(None)
    assert Path("given.yaml") == files.find(Path("given.yaml"))


@pytest.mark.parametrize(("age", "expected"), [("0m", 0), ("30m", 30), ("2h", 120), ("1d", 1440)])
def test_ages_are_read(age: str, expected: int) -> None:
    """Minutes, hours, days."""
    assert expected == minutes(age)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Flow run encountered an exception: Refused: The migration was refused", 3),
        ("Flow run encountered an exception: ConfigError: query: no such column", 2),
        ("Flow run encountered an exception: KeyError: 'x'", 1),
        ("Flow run infrastructure exited with status code: -9", 1),
    ],
)
def test_a_run_on_the_server_has_the_exit_code_of_its_error(message: str, code: int) -> None:
    """The same migration ends with the same code, here and there."""
    assert code == code_of(message)


def test_each_problem_of_the_input_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A list is read; a paragraph is not."""
    console.print_error(ConfigError("my.yaml", ["One.", "Two [x]."]))

    assert (capsys.readouterr().err.splitlines()) == [
        "Wrong input in my.yaml:",
        "  • One.",
        "  • Two [x].",
    ]


def test_an_error_begins_with_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    """The eye finds what happened."""
    console.print_error(CloudUnreachable("source", "It is off."))

    assert capsys.readouterr().err.startswith("Cloud unreachable: Cloud source cannot be used")


def test_the_lazy_console_can_be_lived_in(capsys: pytest.CaptureFixture[str]) -> None:
    """What is shown live enters and leaves the console; its last state stays."""
    with Live(Text("x"), console=console.err) as live:
        live.update(Text("the last state"))

    assert "the last state" in capsys.readouterr().err


def test_another_site_is_not_worked_on(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a server there is one pair of clouds, the configuration's; others are refused."""
    made: list[Path] = []
    monkeypatch.setattr(local, "LocalServer", made.append)
    text = "name: lab\nsource: {entry: old}\ntarget: {entry: new}\n"
    (elsewhere / "config.yaml").write_text(text)

    with pytest.raises(ConfigError, match="the configuration is of lab"):
        engine.use(parse(text, {}), "prod", "json")

    assert run("migrate", "--project", "shop", "--site", "prod", "--yes") == 2
    assert "prod is not here" in " ".join(capsys.readouterr().err.split())
    assert made == []


def test_a_server_has_the_blocks_of_any_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration that lies here need not be that site's."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    text = "name: lab\nsource: {entry: old}\ntarget: {entry: new}\n"

    assert engine.use(parse(text, {}), "prod", "json") == "prod"


class Runs:
    """Prefect's flow runs, each a name, a state and the hours until it is due."""

    def __init__(self, *runs: tuple[str, str, float]) -> None:
        self.runs = runs

    def request(self, _method: str, _path: str, json: Any) -> Any:
        """Answer as Prefect does to the filters that are used."""
        wanted, now = json["flow_runs"], datetime.now(UTC)
        states = wanted.get("state", {}).get("type", {}).get("any_")
        before = wanted.get("expected_start_time", {}).get("before_")
        names = wanted.get("name", {}).get("any_")
        found = [
            (hours, {"id": str(UUID(int=number))})
            for number, (name, state, hours) in enumerate(self.runs)
            if (states is None or state in states)
            and (names is None or name in names)
            and (before is None or now + timedelta(hours=hours) <= datetime.fromisoformat(before))
        ]
        rows = [row for _, row in sorted(found, key=lambda each: -each[0])]
        return SimpleNamespace(json=lambda: rows[: json["limit"]])

    def read_flow_run(self, id_: UUID) -> str:
        """Return the run's name."""
        return self.runs[id_.int][0]


DONE, TOMORROW = ("done", "COMPLETED", -2.0), ("tomorrow", "SCHEDULED", 24.0)


@pytest.mark.parametrize(
    ("runs", "named", "expected"),
    [
        ([DONE, TOMORROW], "latest", "done"),
        ([TOMORROW], "latest", None),
        ([DONE, TOMORROW, ("waits", "SCHEDULED", -0.1)], "latest", "waits"),
        ([("runs", "RUNNING", -3.0), DONE, TOMORROW], "latest", "runs"),
        ([("taken", "PENDING", 0.002), DONE], "latest", "taken"),
        ([DONE, TOMORROW], "tomorrow", "tomorrow"),
    ],
)
def test_the_latest_run_is_none_of_the_future(
    runs: list[tuple[str, str, float]], named: str, expected: str | None
) -> None:
    """A schedule's next run is watched only by its name; one that waits for its worker is."""
    assert find(cast("Any", Runs(*runs)), named) == expected


@pytest.fixture(name="asked")
def _asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the questions of commands, all answered with yes, and the flows that were run."""
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("typer.confirm", lambda text, **_: asked.append(text) or True)
    for module in (hosts, maintenance, rollbacks):
        monkeypatch.setattr(module, "run", lambda flow, *_: asked.append(flow))
    return asked


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (["web-1"], "Stop the copies of web-1; start the source?"),
        (
            ["--project", "shop", "--exclude", "web-2", "--delete-copy"],
            "Stop the copies of project shop, but not of web-2; start the source, "
            "DELETE the copies with their disks?",
        ),
        (
            ["web-1", "--delete-copy", "--discard-changes"],
            "Stop the copies of web-1; start the source, DELETE the copies with their disks, "
            "and LOSE what the copies wrote?",
        ),
    ],
)
def test_a_rollback_asks_with_what_is_lost(
    words: list[str], question: str, asked: list[str]
) -> None:
    """Who says yes has read what does not come back."""
    assert run("rollback", *words) == 0
    assert asked == [question, "rollback"]


@pytest.mark.parametrize("more", [[], ["--yes"], ["--dry-run"]])
def test_a_rollback_of_nothing_is_not_asked_about(
    more: list[str], asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is taken out of nothing leaves nothing."""
    assert run("rollback", "--delete-copy", "--exclude", "web-2", *more) == 2
    assert "Nothing is chosen" in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize(
    ("words", "flow"),
    [
        (["hosts", "return", "c-1"], "return-host"),
        (["maintenance", "leave", "c-1"], "maintenance"),
    ],
)
def test_the_ways_back_of_hosts_are_asked_about(
    words: list[str],
    flow: str,
    asked: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They restart a host and enable it: a person is asked once, and a pipe has to say --yes."""
    assert run(*words) == 0
    assert len(asked) == 2
    assert "c-1" in asked[0]

    assert run(*words, "--yes") == 0
    assert asked[2:] == [flow]

    monkeypatch.setattr(sys, "stdin", None)
    assert run(*words) == 2
    assert "There is nobody to ask; give --yes." in capsys.readouterr().err
    assert asked[3:] == []
