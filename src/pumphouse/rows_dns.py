"""Rows of the DNS tables, from what Designate answers."""

from pumphouse.rows_identity import Raw, taken
from pumphouse.tables import Row


def zone(raw: Raw) -> Row:
    """Return the row of a zone; releases before 2023.2 cannot share one."""
    same = (
        "id name project_id pool_id type email ttl serial masters description attributes status "
        "action created_at"
    )
    return taken(raw, same, is_shared="shared")


def recordset(raw: Raw) -> Row:
    """Return the row of a record set."""
    same = "id zone_id zone_name project_id name type ttl records description status action"
    return taken(raw, same)
