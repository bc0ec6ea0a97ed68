"""How Nailgun says no: JSON typed as HTML, plain text, tracebacks."""

import json
from typing import Any

from starlette.responses import Response

JSON_TYPE = "application/json"
HTML_TYPE = "text/html"
TEXT_TYPE = "text/html, text/plain"


class Failure(Exception):
    """An answer that is an error; `plain` ones are text, the others JSON (typed as HTML)."""

    def __init__(
        self, status: int, message: str, errors: Any = (), *, plain: bool = False
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.errors = list(errors)
        self.plain = plain

    def response(self) -> Response:
        """Return it as Nailgun sends it."""
        if self.plain:
            return raw(self.message, self.status, TEXT_TYPE)
        text = json.dumps({"message": self.message, "errors": self.errors})
        return raw(text, self.status, HTML_TYPE)


def missing(kind: str) -> Failure:
    """Return the 404 of an object."""
    return Failure(404, f"{kind} not found")


def traceback(error: str, where: str, *, plain: bool) -> Failure:
    """Return a 500: Nailgun shows its traceback, in JSON when a validator failed."""
    text = f'Traceback (most recent call last):\n  File "<path>", in {where}\n{error}\n'
    return Failure(500, text, plain=plain)


def ok(body: Any, status: int = 200) -> Response:
    """Return a good answer."""
    return raw(json.dumps(body), status, JSON_TYPE)


def raw(text: str, status: int, kind: str) -> Response:
    """Return a text under a type that no one adds a charset to."""
    return Response(text, status, headers={"Content-Type": kind} if kind else {})


def shown(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without what only the stand-in needs to know."""
    return {key: value for key, value in document.items() if not key.startswith("_")}


def python2(value: Any) -> str:
    """Return a value as Python 2 prints it: Nailgun's messages do."""
    if isinstance(value, str):
        return f"u{value!r}"
    if isinstance(value, list):
        return f"[{', '.join(map(python2, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{python2(k)}: {python2(v)}" for k, v in value.items()) + "}"
    return repr(value)
