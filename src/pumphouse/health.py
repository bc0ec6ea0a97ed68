"""
Health checks: how an operator says that a server does its work, and which server has which.

Pure: `pumphouse.tasks.health` runs them, from the worker.
"""

import ipaddress
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from pumphouse.estate import Estate

WORDS = ("address", "fixed_ip", "floating_ip", "name", "id", "project", "cloud")
"""What a template may name."""


def _template(value: str) -> str:
    try:
        named = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
    except ValueError as error:
        raise ValueError(f"it is no template: {error}") from None
    if unknown := [name for name in named if name not in WORDS]:
        known = ", ".join(f"{{{word}}}" for word in WORDS)
        raise ValueError(f"{{{unknown[0]}}} is not known; a template may have {known}")
    try:
        value.format(**dict.fromkeys(WORDS, ""))
    except (ValueError, LookupError) as error:
        raise ValueError(f"it is no template: {error}") from None
    return value


Template = Annotated[str, AfterValidator(_template)]


def _criterion(value: str) -> str:
    # Tables come with it: only who has health checks waits for their import.
    from pumphouse.criteria import parsed
    from pumphouse.errors import ConfigError

    try:
        parsed(value)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return value


Criterion = Annotated[str, AfterValidator(_criterion)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)


class Tcp(_Part):
    """A port that takes connections."""

    port: int = Field(ge=1, le=65535, title="Port")
    host: Template = Field(default="{address}", title="Host")


class Http(_Part):
    """A page that is answered."""

    url: Template = Field(
        title="URL", description="http:// or https://, for example http://{address}:8080/health"
    )
    status: list[int] = Field(default=[200], min_length=1, title="Status", description="Any of.")
    text: str = Field(default="", title="Text", description="That the answer must contain.")
    headers: dict[str, str] = Field(default={}, title="Headers", description="To send.")
    verify_tls: bool = Field(
        default=True, title="Verify TLS", description="Certificates rarely name an address."
    )

    @model_validator(mode="after")
    def _web(self) -> "Http":
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("url must begin with http:// or https://")
        return self


class Ping(_Part):
    """An address that answers the worker's ping."""

    host: Template = Field(default="{address}", title="Host")


class Console(_Part):
    """A text on the server's console."""

    text: str = Field(min_length=1, title="Text", description="For example: login:")
    lines: int = Field(default=200, ge=1, le=10000, title="Lines", description="From its end.")


class Command(_Part):
    """A command on the worker, without a shell, that ends with 0."""

    argv: list[Template] = Field(
        min_length=1, title="Words", description="The program, and each of its arguments."
    )


class HealthCheck(_Part):
    """One check: of which servers, what, and how patiently."""

    model_config = ConfigDict(title="Health check")

    of: list[Criterion] = Field(
        min_length=1,
        title="Of",
        description="Which servers, as a selection says it: project:shop, tag:web, "
        "metadata:tier=web, everything …",
    )
    tcp: Tcp | None = Field(default=None, title="TCP")
    http: Http | None = Field(default=None, title="HTTP")
    ping: Ping | None = Field(default=None, title="Ping")
    console: Console | None = Field(default=None, title="Console")
    command: Command | None = Field(default=None, title="Command")
    attempts: int = Field(
        default=30,
        ge=1,
        le=1000,
        title="Attempts",
        description="After the cut-over, while the copy's system starts; before it three at most.",
    )
    pause_s: float = Field(default=2, ge=0, title="Pause between attempts (s)")
    timeout_s: float = Field(default=5, gt=0, title="Time-out of an attempt (s)")

    @model_validator(mode="after")
    def _one(self) -> "HealthCheck":
        kinds = ("tcp", "http", "ping", "console", "command")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(kinds)}, and not {len(given)} of them")
        return self

    @property
    def templates(self) -> tuple[str, ...]:
        """The templates that it fills in."""
        if self.http:
            return (self.http.url,)
        if self.command:
            return tuple(self.command.argv)
        host = self.tcp or self.ping
        return (host.host,) if host else ()


class Check(BaseModel):
    """A health check with its name, as servers have them."""

    model_config = ConfigDict(frozen=True)

    name: str
    how: HealthCheck


class Facts(BaseModel):
    """What templates say of one server at one cloud."""

    model_config = ConfigDict(frozen=True)

    fixed_ips: tuple[str, ...] = ()
    floating_ips: tuple[str, ...] = ()
    name: str = ""
    id: str = ""
    project: str = ""
    cloud: str = ""

    @property
    def words(self) -> Mapping[str, str]:
        """By word: its value; an address that there is none of is empty."""
        fixed, floating = _first(self.fixed_ips), _first(self.floating_ips)
        return {
            "address": floating or fixed,
            "fixed_ip": fixed,
            "floating_ip": floating,
            "name": self.name,
            "id": self.id,
            "project": self.project,
            "cloud": self.cloud,
        }


def _first(addresses: Iterable[str]) -> str:
    """Return the first IPv4 address, else the first."""
    every = list(addresses)
    old = [a for a in every if ipaddress.ip_address(a).version == 4]
    return next(iter(old or every), "")


def lacking(check: Check, facts: Facts) -> str:
    """Return what a check's templates need and the server does not have, as a sentence."""
    words = facts.words
    for template in check.how.templates:
        for _, name, _, _ in string.Formatter().parse(template):
            if name is not None and not words[name]:
                return f"The server has no {name}, which the check needs."
    return ""


def intruding(check: Check, facts: Facts) -> str:
    """Return which word of a command the server's facts would make an option, as a sentence."""
    for template in check.how.command.argv if check.how.command else ():
        word = filled(template, facts)
        # Names are their tenants' words, and many an option runs what it is told.
        if word.startswith("-") and not template.startswith("-"):
            return f"{template} would be an option: {word!r} begins with a dash."
    return ""


def filled(template: str, facts: Facts) -> str:
    """Return *template* with what it names; an IPv6 address in a URL gets its brackets."""
    words = dict(facts.words)
    if "://" in template:
        for name in ("address", "fixed_ip", "floating_ip"):
            words[name] = f"[{words[name]}]" if ":" in words[name] else words[name]
    return template.format(**words)


def answer_problem(http: Http, status: int, text: str) -> str:
    """Return what is wrong with an answer, as a sentence; nothing when it is as it should be."""
    if status not in http.status:
        return f"It answered {status}, not {' or '.join(map(str, http.status))}."
    if http.text and http.text not in text:
        return f"Its answer has no {http.text!r}."
    return ""


def assigned(checks: Mapping[str, HealthCheck], estate: "Estate") -> dict[str, tuple[Check, ...]]:
    """
    Return the checks of each server of the source's *estate* that has any, by its id.

    A criterion that nothing fulfils now chooses nothing: the next project may.
    """
    from pumphouse.criteria import found, parsed

    by_server: dict[str, list[Check]] = {}
    for name, how in checks.items():
        ids: dict[str, None] = {}
        for text in how.of:
            for kind, id_ in found(parsed(text), estate, []):
                ids.update(dict.fromkeys(_servers(kind, id_, estate)))
        for id_ in ids:
            by_server.setdefault(id_, []).append(Check(name=name, how=how))
    return {id_: tuple(of) for id_, of in by_server.items()}


def _servers(kind: str, id_: str, estate: "Estate") -> list[str]:
    if kind == "servers":
        return [id_]
    rows = estate.where("servers", "project_id", id_) if kind == "projects" else []
    return [row["id"] for row in rows]


def notes(checks: Mapping[str, Sequence[Check]], moved: Iterable[str]) -> tuple[str, ...]:
    """Return what a plan says of the checks of the servers that move, by their ids."""
    ids = set(moved)
    counts: dict[str, int] = {}
    for id_, of in checks.items():
        for check in of if id_ in ids else ():
            counts[check.name] = counts.get(check.name, 0) + 1
    return tuple(f"Health check {name}: of {count} server(s)." for name, count in counts.items())


def summary(passed: Iterable[str], skipped: Iterable[str]) -> str:
    """Return what a ledger says of a server's checks."""
    good, bad = list(passed), list(skipped)
    said = f"{len(good)} passed: {', '.join(good)}" if good else ""
    also = f"failed before, not asked again: {', '.join(bad)}" if bad else ""
    return "; ".join(part for part in (said, also) if part)
