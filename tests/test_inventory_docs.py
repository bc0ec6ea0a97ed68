"""docs/inventory.md says what the schemas say."""

from pathlib import Path

import pytest

from pumphouse import expressions, tables
from pumphouse.reports.schema_docs import markdown

PAGE = Path(__file__).parent.parent / "docs" / "inventory.md"
EXAMPLES = (
    'status == "ACTIVE" and vcpus >= 8',
    'host in ["cmp1", "cmp2"]',
    '"web" in name',
    'name.str.startswith("web-")',
    "image_id.isna()",
    "ram_mib / vcpus > 4096",
    'created_at < "2025-01-01"',
    'metadata["tier"] == "web"',
    '"blue" in tags',
    'volumes[0]["delete_on_termination"] == True',
)


def test_every_table_is_explained() -> None:
    """Replace the part below "## Tables" by `pumphouse.reports.schema_docs.markdown()`."""
    assert PAGE.read_text().endswith(f"## Tables\n\n{markdown()}")


@pytest.mark.parametrize("condition", EXAMPLES)
def test_the_conditions_shown_work(condition: str) -> None:
    """An example that is refused would be worse than none."""
    assert condition in PAGE.read_text()
    assert len(expressions.mask(condition, tables.frame("servers", []), "servers")) == 0
