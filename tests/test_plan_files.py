"""A plan's file: what may be edited in it, what may not, and how that is said."""

import io
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from pumphouse import plan_files, plan_texts
from pumphouse.errors import ConfigError
from pumphouse.flows import finalize
from pumphouse.models import Action, Mover
from pumphouse.plan import COLUMNS, Plan
from pumphouse.plan_files import Edits, Header
from pumphouse.planning import Wishes, plan
from pumphouse.selection import Selection, chosen
from tests.tenants import Rows, estate, source, target

HEADER = Header(
    site="lab", made_at="2026-01-01T00:00:00Z", include=("project:shop",), mover=Mover.IMAGE
)


def planned(src: Rows | None = None, dst: Rows | None = None, **wishes: Any) -> Plan:
    """Return the plan of project shop."""
    here = estate(src or source())
    what = chosen(Selection(include=("project:shop",)), here)
    return plan(what, here, estate(dst or target()), Wishes(**wishes))


def text(of: Plan | None = None) -> str:
    """Return a plan as YAML."""
    return plan_texts.to_yaml(plan_files.sealed(of or planned(), HEADER))


def edited(change: Any) -> str:
    """Return a plan's YAML after *change* did something to what it holds."""
    raw = yaml.safe_load(text())
    change(raw, {f"{item['kind']}:{item['source_id']}": item for item in raw["items"]})
    return yaml.safe_dump(raw)


def found(content: str) -> Edits:
    """Return what was edited in a plan's YAML."""
    return plan_files.edits(plan_texts.from_yaml(content, "p.yaml"), "p.yaml")


def problems(content: str) -> list[str]:
    """Return why a plan's YAML is refused."""
    with pytest.raises(ConfigError) as caught:
        found(content)
    assert caught.value.origin == "p.yaml"
    return caught.value.problems


@pytest.mark.parametrize("there", [None, {**source(), "servers": []}], ids=["new", "there"])
@pytest.mark.parametrize("name", ["p.yaml", "p.parquet"])
def test_a_plan_survives_its_file(name: str, there: Rows | None) -> None:
    """What is read is what was written, in both formats, and nothing counts as edited."""
    made = planned(dst=there)
    assert not there or made.actions["adopt"] > 5
    file = plan_files.sealed(made, HEADER)
    read = plan_texts.read(plan_texts.write(file, name), name)
    assert file.header == read.header
    assert [row.model_dump() for row in file.rows] == [row.model_dump() for row in read.rows]
    assert Edits() == plan_files.edits(read, name)


def test_a_person_sees_a_table_first() -> None:
    """The head of the file shows every action in columns, as comments."""
    lines = text().splitlines()
    assert any(re.match(r"# create +servers +web-1 +Default/shop +image +3\.0", x) for x in lines)
    assert lines[0].startswith("# A plan of Pumphouse. Two things of a row may be edited")


def test_a_row_may_be_skipped_and_its_mover_changed() -> None:
    """Both edits are found, by the row's key."""

    def change(raw: Any, items: Any) -> None:
        items["servers:v1"]["mover"] = "rebuild"
        items["volumes:vol2"]["action"] = "skip"

    edits = found(edited(change))
    assert edits == Edits(
        skipped=frozenset({"volumes:vol2"}), movers={"servers:v1": Mover.REBUILD}
    )


@pytest.mark.parametrize(
    ("key", "field", "value", "said"),
    [
        ("servers:v1", "action", "adopt", "action adopt is not what was planned; allowed is"),
        ("servers:v1", "action", "done", "action: allowed: 'create', 'adopt'"),
        ("servers:v1", "mover", "auto", "mover auto; allowed: image, rebuild."),
        ("servers:v1", "mover", "teleport", "mover (teleport): allowed: 'auto', 'image'"),
        ("networks:n1", "mover", "image", "mover image; allowed: none."),
        ("servers:v1", "name", "web-9", "servers web-9 (v1): name was changed; only action"),
        ("networks:n1", "target_id", "X", "target_id was changed"),
        ("networks:n1", "fingerprint", "0", "fingerprint was changed"),
        ("networks:n1", "colour", "red", "colour is no field of a plan."),
        ("networks:n1", "kind", "network", "front: kind: allowed: domains, projects, roles"),
    ],
)
def test_any_other_edit_is_refused(key: str, field: str, value: str, said: str) -> None:
    """The row and the field are named, and what is allowed."""
    (problem,) = problems(edited(lambda raw, items: items[key].update({field: value})))
    assert said in problem


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("site", "other", "site was changed"),
        ("include", ["everything"], "include was changed"),
        ("exclude", ["web-1"], "exclude was changed"),
        ("mover", "rebuild", "mover was changed"),
        ("version", 2, "version: Input should be 1."),
    ],
)
def test_the_head_is_sealed(field: str, value: Any, said: str) -> None:
    """Another selection is another plan."""
    assert said in problems(edited(lambda raw, items: raw.update({field: value})))[0]


def test_rows_are_not_taken_out() -> None:
    """A row that is missing is missed; skipping is the way."""
    (problem,) = problems(edited(lambda raw, items: raw["items"].pop()))
    assert "set the action of what is not wanted to skip" in problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "It is not valid YAML in line"),
        ("items: []\nmade_at: 2024-13-45", "It is not valid YAML in line 2"),
        ("a: 1", "It is no plan: it has no list items."),
        ("items: [1]", "row 1"),
    ],
)
def test_what_is_no_plan_is_refused(content: str, said: str) -> None:
    """A wrong file is told from a plan."""
    assert said in " ".join(problems(content))


def test_a_field_that_is_there_twice_is_refused() -> None:
    """The last would win: the server that was to be skipped would be moved."""
    lines = text().splitlines()
    at = lines.index("  name: web-1") + 1
    lines.insert(at, "  action: skip")
    said = f"It is not valid YAML in line {lines.index('  action: create', at) + 1}: "
    assert problems("\n".join(lines)) == [f"{said}the key action is there twice."]


def test_parquet_without_its_header_is_refused() -> None:
    """A table that lost the head of its plan is not carried out."""
    table = planned().table()
    with pytest.raises(ConfigError, match="edit a plan as YAML"):
        plan_texts.read(table.to_parquet(), "p.parquet")
    with pytest.raises(ConfigError, match="not a Parquet file"):
        plan_texts.read(b"no", "p.parquet")


def test_parquet_without_its_movers_is_refused() -> None:
    """A column that was taken out is no mover that was chosen."""
    table = pq.read_table(io.BytesIO(plan_texts.to_parquet(plan_files.sealed(planned(), HEADER))))
    content = io.BytesIO()
    pq.write_table(table.drop_columns(["mover"]), content)
    file = plan_texts.read(content.getvalue(), "p.parquet")
    with pytest.raises(ConfigError, match="mover nothing; allowed: image, rebuild"):
        plan_files.edits(file, "p.parquet")


def test_skipping_what_others_need_is_refused() -> None:
    """A server whose network is skipped says so; skipped with it, the plan can be done."""
    alone = planned(skipped=frozenset({"networks:n1"}))
    assert any("servers web-1" in x or "networks front (n1), which the plan" in x
               for x in alone.obstacles)  # fmt: skip
    one = planned(skipped=frozenset({"servers:v1"}))
    assert Action.SKIP is next(i.action for i in one.of("servers"))
    assert one.obstacles == []


def test_the_table_has_a_column_for_each_field() -> None:
    """The design's columns are those of the table, the file and the model."""
    table = planned().table()
    assert list(COLUMNS) == list(table.columns)
    assert {"stage", "depends_on", "mapping", "downtime_estimate_s"} <= set(table.columns)


def test_what_a_plan_was_limited_to_limits_its_finalize_too(tmp_path: Path) -> None:
    """Of a plan of images alone, the servers stay that another plan moved."""
    header = HEADER.model_copy(update={"kinds": ("images",)})
    file = plan_files.sealed(planned(), header)
    (tmp_path / "p.yaml").write_bytes(plan_texts.write(file, "p.yaml"))

    wanted = finalize.selected([], [], str(tmp_path / "p.yaml"), "lab")

    assert (wanted.include, wanted.kinds) == (("project:shop",), ("images",))
