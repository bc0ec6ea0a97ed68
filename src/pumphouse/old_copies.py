"""Copies of volumes that lack what was written at the source after they were made."""

from datetime import UTC, datetime

from pumphouse.checks import AS_OF, MOVER_KEY, RETURNED, WITH_SERVER
from pumphouse.comparison import mark
from pumphouse.estate import Estate
from pumphouse.models import Mover
from pumphouse.tables import Row


def reason(row: Row, copy: Row, source: Estate, target: Estate) -> str:
    """
    Return why the *copy* of a volume may be older than that is, as sentences; empty if not.

    row: Of the source. As long as a server uses it, its copy is judged with that server's.
    """
    metadata = copy["metadata"] or {}
    if row["attachments"] or metadata.get(MOVER_KEY) == Mover.MANAGE.value:
        return ""
    used_by = [target.get("servers", a["server_id"]) for a in copy["attachments"] or []]
    if any(RETURNED in (user["metadata"] or {}) for user in used_by if user):
        why = "It was copied with a server that was returned to the source since"
    elif _is_older(row, copy, metadata.get(AS_OF), _have_gone(used_by, source)):
        why = "It was used or changed at the source since it was copied"
    else:
        return ""
    return f"{why}: its copy {copy['id']} may be older. Delete that, and migrate it anew."


def _is_older(row: Row, copy: Row, as_of: str | None, went: bool) -> bool:
    """
    Tell whether a volume may have changed since it was copied.

    went: Whether it is detached only because the server that it was copied with is finalized.
    """
    changed = _time(row["updated_at"] or row["created_at"])
    if as_of and as_of != WITH_SERVER:
        return _time(as_of) != changed
    # Earlier versions noted nothing.
    made = _time(copy["created_at"])
    return not went and (as_of == WITH_SERVER or bool(changed and made and changed > made))


def _have_gone(used_by: list[Row | None], source: Estate) -> bool:
    """Tell whether all servers of the target are copies of those that the source had before."""
    origins = [mark(user) if user else None for user in used_by]
    return bool(origins) and all(id_ and not source.get("servers", id_) for id_ in origins)


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
