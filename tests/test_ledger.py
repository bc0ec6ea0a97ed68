"""The ledger, the steps, and the names of limits."""

from pumphouse import ledger, steps
from pumphouse.config_text import parse
from pumphouse.ledger import Entry, Status
from pumphouse.limits import names
from pumphouse.models import Action
from pumphouse.plan import Item, Plan
from pumphouse.reports import migration

ITEM = Item(
    kind="servers", source_id="v1", name="web", action=Action.CREATE, target_id="t", reason="r"
)


def test_an_empty_ledger_has_its_columns() -> None:
    """A run that did nothing still leaves a typed table."""
    table = ledger.table([])
    assert list(Entry.model_fields) == list(table.columns)
    assert str(table["seconds"].dtype) == "Float64"


def test_one_row_an_action() -> None:
    """Every entry is a row; request ids are one text."""
    entry = ledger.entry(ITEM, Status.DONE).model_copy(
        update={"request_ids": ("a", "b"), "bytes": 5}
    )
    row = ledger.table([entry]).iloc[0]
    assert (
        row["request_ids"], row["bytes"], row["status"], row["target_id"],
    ) == ("a b", 5, "done", "t")  # fmt: skip


def test_failed_and_left_are_failures() -> None:
    """What was not even tried is as little done as what failed."""
    entries = [ledger.entry(ITEM, status, "why") for status in Status]
    assert ledger.failures(entries) == ["servers web (v1): why"] * 2


def test_what_a_dry_run_could_do_is_neither_failed_nor_left() -> None:
    """A report of what would be done counts it apart."""
    ready = ledger.table([ledger.entry(ITEM, Status.READY, "Would be deleted.")])
    counts = {f["label"]: f["value"] for f in migration.figures(ready, 1.0)}
    assert (counts["ready"], counts["failed or left"]) == (1, 0)
    assert "Failed or left" not in migration.markdown(ready, "report", "Finalize")
    assert "Failed or left" not in migration.html("t", Plan(items=()).table(), ready, 1.0)


def test_undo_goes_back_from_the_failed_step() -> None:
    """The failed step first, since it may be half done; then each before it; none after."""
    assert steps.undo_order("isolate") == ("isolate", "stop", "lock", "remember", "bulk")
    assert tuple(reversed(steps.undo_order(steps.NAMES[-1]))) == steps.NAMES


def test_the_server_is_down_from_stop_to_check() -> None:
    """The downtime is one stretch of steps."""
    assert [step.name for step in steps.STEPS if step.is_down] == [
        "stop",
        "isolate",
        "move",
        "boot",
        "connect",
        "verify",
        "check",
    ]


def test_limits_have_a_name_for_each_kind_of_work() -> None:
    """A set-up creates these; runs ask for them by the same names."""
    text = "{name: lab, source: {entry: a}, target: {entry: b}, hosts: {c-1: {}}}"

    assert names(parse(text, {})) == {
        "lab-source-api": 8, "lab-target-api": 8, "lab-copies": 2, "lab-cutovers": 2,
        "lab-host-moves": 2, "lab-run-on-c-1": 1,
    }  # fmt: skip
