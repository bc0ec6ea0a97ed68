"""``pumphouse plan`` on files: shown, compared, and refused where they are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from pumphouse import plan_files, plan_texts
from pumphouse.cli import main, watch
from tests.test_plan_files import HEADER, edited, planned, text


def run(*words: str) -> int:
    """Return the exit code of a command."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["pumphouse", *words])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


@pytest.fixture(name="plan")
def _plan(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(text())
    return path


def test_a_plan_is_shown_as_json(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is done, without what the target has; all of it when asked."""
    assert run("plan", "show", str(plan), "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"create"} == {row["action"] for row in rows}
    assert run("plan", "show", str(plan), "--json", "--all") == 0
    assert len(json.loads(capsys.readouterr().out)) > len(rows)


def test_a_plan_is_shown_as_a_table(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The selection on top, and a line for each action."""
    assert run("plan", "show", str(plan)) == 0
    shown = capsys.readouterr().out
    assert "lab: project:shop" in shown
    assert "web-1" in shown


@pytest.mark.parametrize(
    "selection", ['servers[status == "ACTIVE"]', 'servers[name.str.contains("[/]")]']
)
def test_a_condition_is_in_the_heading(
    selection: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its brackets are no markup."""
    header = HEADER.model_copy(update={"include": (selection,)})
    path = tmp_path / "p.yaml"
    path.write_text(plan_texts.to_yaml(plan_files.sealed(planned(), header)))
    assert run("plan", "show", str(path)) == 0
    assert f"lab: {selection}" in capsys.readouterr().out


def test_a_bad_edit_is_wrong_input(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Code 2, with the row and the field."""
    plan.write_text(edited(lambda raw, items: items["networks:n1"].update(name="back")))
    assert run("plan", "show", str(plan)) == 2
    assert "networks back (n1): name was changed" in " ".join(capsys.readouterr().err.split())


def test_two_plans_are_compared(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal ones end with 0, whatever their format; others with 1, and say where."""
    other = plan.with_suffix(".parquet")
    other.write_bytes(plan_texts.to_parquet(plan_files.sealed(planned(), HEADER)))
    assert run("plan", "diff", str(plan), str(other)) == 0
    assert "They are equal." in capsys.readouterr().out
    plan.write_text(edited(lambda raw, items: items["volumes:vol2"].update(action="skip")))
    assert run("plan", "diff", str(other), str(plan), "--json") == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["change"], found["what"]) == ("changed", ["action: create → skip"])
    other.write_bytes(
        plan_texts.to_parquet(
            plan_files.sealed(planned(), HEADER.model_copy(update={"kinds": ("servers",)}))
        )
    )
    plan.write_text(text())
    assert run("plan", "diff", str(plan), str(other)) == 1
    assert "kinds: none → servers" in " ".join(capsys.readouterr().out.split())


def test_a_worker_s_plan_is_told_as_json_and_fails_by_obstacles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it returned stays there: the run itself must say whether the plan can be done."""
    asked: list[Any] = []
    monkeypatch.setattr(watch, "run", lambda *words: asked.append(words))
    words = ["plan", "project:shop", "--deployment", "--site", "lab"]
    assert (run(*words), run(*words, "--json")) == (0, 0)
    assert [(name, as_json) for name, _, _, as_json in asked] == [
        ("plan/plan", False),
        ("plan/plan", True),
    ]
    assert all(parameters["strict"] for _, parameters, _, _ in asked)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "show", "none.yaml"], "It cannot be read: No such file"),
        (["plan", "show", "foo://x/plan.yaml"], "Protocol not known: foo"),
        (["plan", "everything", "-o", "p.txt"], "p.txt must end with .yaml, .yml or .parquet."),
        (["plan", "a", "-o", "no/p.yaml"], "There is no folder no."),
        (["plan", "a", "-o", "p.yaml", "--deployment"], "leave --output out"),
        (["migrate", "--replan"], "--replan needs the plan"),
        (["migrate", "--plan", "a.yaml", "--host", "h"], "give --plan alone"),
        (["migrate", "a.yaml", "--exclude", "h"], "give --plan alone"),
        (["migrate", "a.yaml", "--snapshots"], "give --plan alone"),
    ],
)
def test_wrong_words_end_with_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is begun, and the sentence says what would be right."""
    assert run(*words) == 2
    assert said in " ".join(capsys.readouterr().err.split())
