"""Run health checks from here, the worker: attempt after attempt until each passes."""

import asyncio
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from pumphouse.errors import Interrupted, PumphouseError, Unhealthy
from pumphouse.health import (
    Check,
    Facts,
    HealthCheck,
    answer_problem,
    filled,
    intruding,
    lacking,
)
from pumphouse.plan import Item
from pumphouse.tasks import servers
from pumphouse.tasks.api import Api, first_line
from pumphouse.tasks.waiting import NEVER

BEFORE = 3
"""Attempts while the server still runs: nobody waits for it to start."""

READ = 1 << 20
"""Bytes of an answer that are looked at."""

AT_ONCE = 8


@dataclass(frozen=True)
class Subject:
    """A server at one of the clouds, to be checked."""

    api: Api
    server_id: str
    facts: Facts


def subject(api: Api, item: Item, server_id: str, port_ids: Iterable[str]) -> Subject:
    """Return the server of *item* at the cloud of *api*, with the addresses it has there."""
    floating = [
        fip["floating_ip_address"]
        for port in port_ids
        for fip in api.list("network", "/floatingips", "floatingips", params={"port_id": port})
    ]
    row = item.row
    fixed = [entry["ip_address"] for port in row["ports"] for entry in port["fixed_ips"] or []]
    facts = Facts(
        fixed_ips=tuple(fixed),
        floating_ips=tuple(floating),
        name=item.name,
        id=server_id,
        project=item.project.rpartition("/")[2],
        cloud=api.name,
    )
    return Subject(api, server_id, facts)


def ailments(
    checks: Sequence[Check],
    of: Subject,
    most: int | None = None,
    stop: threading.Event = NEVER,
) -> dict[str, str]:
    """
    Run *checks* side by side; return why each that fails does, by its name.

    most: Attempts at most, where a check allows more.

    Raises:
        Interrupted: *stop* was set.
    """
    if not checks:
        return {}
    with ThreadPoolExecutor(min(AT_ONCE, len(checks))) as pool:
        whys = list(pool.map(lambda check: _patient(check, of, most, stop), checks))
    return {check.name: why for check, why in zip(checks, whys, strict=True) if why}


def demand(checks: Sequence[Check], of: Subject, stop: threading.Event = NEVER) -> None:
    """
    Run *checks*; return when all passed.

    Raises:
        Unhealthy: With each that did not, and why.
    """
    if failed := ailments(checks, of, None, stop):
        raise Unhealthy(f"{of.facts.name} ({of.server_id})", of.api.name, told(failed))


def told(failed: Mapping[str, str]) -> list[str]:
    """Return ``name: reason`` of each check that failed."""
    return [f"{name}: {why}" for name, why in failed.items()]


def _patient(check: Check, of: Subject, most: int | None, stop: threading.Event) -> str:
    if why := lacking(check, of.facts) or intruding(check, of.facts):
        return why
    left = min(check.how.attempts, most or check.how.attempts)
    while True:
        why = _once(check.how, of)
        left -= 1
        if not why or not left:
            return why
        if stop.wait(check.how.pause_s):
            raise Interrupted(f"checking {check.name} of server {of.server_id}")


def _once(how: HealthCheck, of: Subject) -> str:
    """Return why one attempt fails, as a sentence; nothing when it passes."""
    for kind, attempt in ATTEMPTS.items():
        if getattr(how, kind) is not None:
            return attempt(how, of)
    raise AssertionError("a check is of one kind")


def _tcp(how: HealthCheck, of: Subject) -> str:
    assert how.tcp is not None
    host = filled(how.tcp.host, of.facts)
    try:
        socket.create_connection((host, how.tcp.port), how.timeout_s).close()
    except OSError as error:
        return f"{host} port {how.tcp.port} takes no connection: {first_line(error)}."
    return ""


def _http(how: HealthCheck, of: Subject) -> str:
    assert how.http is not None
    url = filled(how.http.url, of.facts)
    try:
        status, text = asyncio.run(_get(url, how))
    except TimeoutError:
        return f"{url} gave no answer: it did not end within {how.timeout_s:g} s."
    except (httpx.HTTPError, httpx.InvalidURL, LookupError) as error:
        return f"{url} gave no answer: {first_line(error)}."
    why = answer_problem(how.http, status, text)
    return f"{url}: {why}" if why else ""


async def _get(url: str, how: HealthCheck) -> tuple[int, str]:
    """
    Return the status and the beginning of what *url* answers.

    Raises:
        TimeoutError: It is not all there in time.
    """
    assert how.http is not None
    # httpx's own time-out is of each read: who sends a byte now and then would never be left.
    async with (
        asyncio.timeout(how.timeout_s),
        httpx.AsyncClient(verify=how.http.verify_tls, timeout=how.timeout_s) as client,
        client.stream("GET", url, headers=how.http.headers) as answer,
    ):
        body = b""
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) >= READ:
                break
        return answer.status_code, body.decode(answer.encoding or "utf-8", "replace")


def _ping(how: HealthCheck, of: Subject) -> str:
    assert how.ping is not None
    host = filled(how.ping.host, of.facts)
    # As root, or with the rights that the system's own program has.
    return _run(["ping", "-n", "-c", "1", "--", host], how.timeout_s, f"{host} does not answer")


def _command(how: HealthCheck, of: Subject) -> str:
    assert how.command is not None
    words = [filled(word, of.facts) for word in how.command.argv]
    return _run(words, how.timeout_s, f"{words[0]} failed")


def _run(words: Sequence[str], timeout_s: float, otherwise: str) -> str:
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return f"{otherwise}: it did not end within {timeout_s:g} s."
    except OSError as error:
        return f"{words[0]} cannot be run on the worker: {error.strerror}."
    if done.returncode == 0:
        return ""
    said = (done.stderr or done.stdout).strip().splitlines()
    return f"{otherwise}: exit code {done.returncode}{f', {said[-1][:200]}' if said else ''}."


def _console(how: HealthCheck, of: Subject) -> str:
    assert how.console is not None
    try:
        asked = {"length": how.console.lines}
        answer = servers.act(of.api, of.server_id, "os-getConsoleOutput", asked, retry=True)
    except PumphouseError as error:
        return f"Its console cannot be read: {error}"
    if how.console.text in answer.json()["output"]:
        return ""
    return f"Its console has no {how.console.text!r} in the last {how.console.lines} lines."


ATTEMPTS: Mapping[str, Callable[[HealthCheck, Subject], str]] = {
    "tcp": _tcp,
    "http": _http,
    "ping": _ping,
    "command": _command,
    "console": _console,
}
"""By kind of check: one attempt."""
