"""What the stand-in knows, in SQLite: documents by kind and id, ids never used twice."""

import json
import sqlite3
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS document (
  kind TEXT NOT NULL, id INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS counter (kind TEXT PRIMARY KEY, last INTEGER NOT NULL);
"""


class Store:
    """Documents in memory and, each time one is saved, in the file."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)
        self._kinds: dict[str, dict[int, Document]] = {}
        for kind, number, body in self._db.execute("SELECT kind, id, body FROM document"):
            self._kinds.setdefault(kind, {})[number] = json.loads(body)
        self._last = dict(self._db.execute("SELECT kind, last FROM counter"))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def all(self, kind: str) -> list[Document]:
        """Return all documents of a kind, by id."""
        found = self._kinds.get(kind, {})
        return [found[number] for number in sorted(found)]

    def get(self, kind: str, number: int) -> Document | None:
        """Return one document."""
        return self._kinds.get(kind, {}).get(number)

    def next_id(self, kind: str) -> int:
        """Return an id that no document of the kind ever had."""
        last = int(self._last.get(kind, 0)) + 1
        self._reserve(kind, last)
        return last

    def add(self, kind: str, body: Document) -> Document:
        """Keep a new document under its own id or the next one, and return it."""
        body.setdefault("id", 0)
        body["id"] = body["id"] or self.next_id(kind)
        self._reserve(kind, body["id"])
        return self.save(kind, body)

    def save(self, kind: str, body: Document) -> Document:
        """Write a document that was changed."""
        self._kinds.setdefault(kind, {})[body["id"]] = body
        self._db.execute(
            "INSERT OR REPLACE INTO document VALUES (?, ?, ?)",
            (kind, body["id"], json.dumps(body)),
        )
        return body

    def drop(self, kind: str, number: int) -> None:
        """Forget a document."""
        self._kinds.get(kind, {}).pop(number, None)
        self._db.execute("DELETE FROM document WHERE kind = ? AND id = ?", (kind, number))

    def _reserve(self, kind: str, last: int) -> None:
        if last > self._last.get(kind, 0):
            self._last[kind] = last
            self._db.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (kind, last))
