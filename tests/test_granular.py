"""``pumphouse migrate``: a selection, or one sort of things alone."""

import json
import sys
from typing import Any

import pytest

from pumphouse import cli
from pumphouse.cli import console, granular, groups, runs
from pumphouse.kinds import named


def run(*words: str) -> int:
    """Run the command line in this process and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["pumphouse", *words])
        try:
            cli.main()
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


@pytest.fixture(name="asked")
def _asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the parameters of the flows that commands ran; none of them does anything."""
    asked: list[dict[str, Any]] = []

    def ran(flow: str, parameters: dict[str, Any], way: Any) -> None:
        asked.append({"flow": flow, "way": way, **parameters})

    monkeypatch.setattr(runs, "run", ran)
    return asked


@pytest.mark.parametrize(
    ("words", "selection", "kinds"),
    [
        (["images", "cirros"], ["images:cirros"], ["images"]),
        (
            ["images", "--ids", "a,b", "--ids", "c"],
            ["images:a", "images:b", "images:c"],
            ["images"],
        ),
        (["images", "everything"], ["everything"], ["images"]),
        (["identity", "shop"], ["projects:shop"], ["identity"]),
        (["project", "shop"], ["projects:shop"], []),
        (
            ["servers", "--query", 'status == "ACTIVE"'],
            ['servers[status == "ACTIVE"]'],
            ["servers", "snapshots", "identity", "quotas", "routers", "floating_ips"],
        ),
        (["volumes", "data"], ["volumes:data"], ["volumes"]),
        (["networks", "front"], ["networks:front"], ["networks"]),
        (["keypairs", "ann"], ["users:ann"], ["keypairs"]),
        (["project:shop", "--kinds", "images"], ["project:shop"], ["images"]),
        (["selection", "web-1"], ["web-1"], []),
        (["web-1", "images"], ["web-1", "images"], []),
    ],
)
def test_words_become_a_selection_and_kinds(
    words: list[str], selection: list[str], kinds: list[str], asked: list[dict[str, Any]]
) -> None:
    """One flow does it all; the first word decides what names are of."""
    assert run("migrate", *words, "--yes") == 0

    assert [(a["flow"], a["selection"], a["kinds"]) for a in asked] == [
        ("migrate", selection, kinds)
    ]


def test_options_choose_beside_names(asked: list[dict[str, Any]]) -> None:
    """Projects and hosts, whatever the sort; a dry run need not be confirmed."""
    words = ["--project", "shop", "--host", "cmp1", "--exclude", "web-1", "--dry-run"]

    assert run("migrate", "images", *words) == 0

    one = asked[0]
    assert (one["projects"], one["hosts"], one["exclude"]) == (["shop"], ["cmp1"], ["web-1"])
    assert one["dry_run"]


@pytest.mark.parametrize("sort", granular.SORTS, ids=lambda sort: sort.word)
def test_every_sort_is_known_to_plans(sort: granular.Sort) -> None:
    """Its kinds are words of a plan, and nothing is done without a choice."""
    named(sort.kinds)
    assert run("migrate", sort.word, "--yes") == 2


@pytest.mark.parametrize("words", [["images", "--ids", "a,,b"], ["images", ""]])
def test_an_empty_name_is_wrong_input(words: list[str], asked: list[dict[str, Any]]) -> None:
    """A script's empty variable must not mean something else."""
    assert run("migrate", *words, "--yes") == 2
    assert asked == []


def test_every_command_can_be_quiet_and_verbose() -> None:
    """Also those of which nobody thought, and each option once."""
    for words, command in groups.commands(cli.command()):
        options = [word for parameter in command.params for word in parameter.opts]
        assert options.count("--quiet") == options.count("--verbose") == 1, words


def test_an_error_is_json_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """One document on stdout, and the same words for a person on stderr."""
    assert run("migrate", "--json") == 2

    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert (answer["error"], answer["exit_code"]) == ("ConfigError", 2)
    assert "Nothing is chosen" in answer["message"]
    assert "Nothing is chosen" in shown.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["migrate", "--json", "--max-parallel", "x", "web-1"], "for '--max-parallel'"),
        (["migrate", "web-1", "--jsn", "--json"], "No such option: --jsn"),
        (["hosts", "return", "--json"], "Missing argument 'HOST'"),
        (["migrat", "--json"], "No such command 'migrat'"),
    ],
)
def test_wrong_words_are_json_when_asked(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They end a command before its options act; a program gets its document all the same."""
    assert run(*words) == 2

    shown = capsys.readouterr()
    answer = json.loads(shown.out)
    assert (answer["error"], answer["exit_code"]) == ("UsageError", 2)
    assert said in answer["message"]
    assert said in " ".join(shown.err.split())


@pytest.mark.parametrize("words", [["migrate", "--max-parallel", "x", "web-1"], ["hosts"]])
def test_wrong_words_are_no_json_unasked(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A person gets the words alone."""
    assert run(*words) == 2
    assert '"error"' not in capsys.readouterr().out


def test_what_nobody_foresaw_is_json_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The traceback is still Python's to print, and the exit code 1 with it."""
    monkeypatch.setattr(runs, "run", lambda *_: {}["gone"])

    with pytest.raises(KeyError):
        run("migrate", "web-1", "--yes", "--json")

    answer = json.loads(capsys.readouterr().out)
    assert answer == {"error": "KeyError", "message": "'gone'", "exit_code": 1}


def test_an_interrupt_is_json_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 130, as without; the document says so."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "run", interrupted)

    assert run("migrate", "web-1", "--yes", "--json") == 130

    answer = json.loads(capsys.readouterr().out)
    assert (answer["error"], answer["exit_code"]) == ("KeyboardInterrupt", 130)


def test_a_result_is_the_only_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails after its result was printed adds none."""

    def ran(*_: Any) -> None:
        console.print_json({"a": 1})
        raise KeyError

    monkeypatch.setattr(runs, "run", ran)

    with pytest.raises(KeyError):
        run("migrate", "web-1", "--yes", "--json")

    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_quiet_leaves_only_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """Results and what happens meanwhile are not shown; the next command is as ever."""
    console.be_quiet(True)
    console.out.print("result")
    console.err.print("meanwhile")
    console.trouble("trouble")
    console.errors.print("error")
    quiet = capsys.readouterr()
    console.begin()
    console.out.print("result")

    assert (quiet.out, quiet.err.split()) == ("", ["trouble", "error"])
    assert capsys.readouterr().out == "result\n"


def test_json_silences_other_results(capsys: pytest.CaptureFixture[str]) -> None:
    """What else would be printed cannot break the document."""
    console.be_json(True)
    console.out.print("result")
    console.print_json({"a": 1})
    shown = capsys.readouterr().out
    console.begin()

    assert json.loads(shown) == {"a": 1}


def test_a_no_is_a_refusal(monkeypatch: pytest.MonkeyPatch, asked: list[dict[str, Any]]) -> None:
    """Code 3, and nothing was done; also when the question is broken off."""

    class Terminal:
        def isatty(self) -> bool:
            return True

    for answer in (lambda *_, **__: False, _abort):
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr("typer.confirm", answer)
        assert run("migrate", "images", "cirros") == 3
    assert asked == []


def _abort(*_: Any, **__: Any) -> bool:
    import typer

    raise typer.Abort


def completed(monkeypatch: pytest.MonkeyPatch, line: str) -> list[str]:
    """Return what a shell would offer at the end of *line*."""
    words = line.split(" ")
    monkeypatch.setenv("_PUMPHOUSE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    return words


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pumphouse mig", ["migrate"]),
        ("pumphouse migrate vol", ["volumes"]),
        ("pumphouse migrate --dry", ["--dry-run"]),
        ("pumphouse migrate project:shop --dep", ["--deployment"]),
        ("pumphouse migrate images --ver", ["--verbose"]),
        ("pumphouse plan sh", ["show"]),
        ("pumphouse discover --cloud so", ["source"]),
    ],
)
def test_the_shell_completes(
    line: str,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Commands, options, also those of the unnamed command, and choices."""
    completed(monkeypatch, line)
    monkeypatch.setattr("sys.argv", ["pumphouse"])

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 0
    assert capsys.readouterr().out.split() == expected
