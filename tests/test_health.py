"""Health checks: of which servers they are, what they ask, and what becomes of the answers."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pumphouse.errors import Interrupted, Unhealthy
from pumphouse.health import Check, Facts, HealthCheck, assigned, filled, lacking, notes, summary
from pumphouse.models import Action
from pumphouse.plan import Item
from pumphouse.tasks import health
from pumphouse.tasks.api import Api
from pumphouse.tasks.health import Subject, ailments, demand
from tests.fakecloud import FakeCloud
from tests.tenants import estate, source

FACTS = Facts(fixed_ips=("fd00::5", "10.0.0.5"), name="web-1", id="v1", cloud="source")


def check(name: str = "c", **how: Any) -> Check:
    """Return a check of one attempt that waits for nothing."""
    options = {"of": ["everything"], "attempts": 1, "pause_s": 0, "timeout_s": 5, **how}
    return Check(name=name, how=HealthCheck(**options))


@contextmanager
def cloud_subject(facts: Facts = FACTS) -> Iterator[tuple[FakeCloud, Subject]]:
    """Yield a cloud and a server in it."""
    with FakeCloud() as cloud, Api(cloud.block(), "source") as api:
        yield cloud, Subject(api, "v1", facts)


def asked(*checks: Check, facts: Facts = FACTS) -> dict[str, str]:
    """Return why checks that need no cloud fail."""
    with cloud_subject(facts) as (_, subject):
        return ailments(checks, subject)


@contextmanager
def page(*answers: tuple[int, str]) -> Iterator[str]:
    """Serve *answers*, each once and the last for ever; yield the URL."""
    left = list(answers)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        status, text = left.pop(0) if len(left) > 1 else left[0]
        handler.send_response(status)
        handler.end_headers()
        handler.wfile.write(text.encode())

    with served(answer) as url:
        yield url


@contextmanager
def served(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Have *answer* answer every GET; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_check_is_of_the_servers_that_its_words_choose() -> None:
    """By project or by name; a word that nothing fulfils chooses nothing."""
    rows = source()
    name = rows["servers"][0]["name"]
    checks = {
        "all": HealthCheck(of=["everything"], ping={}),
        "one": HealthCheck(of=[name], ping={}),
        "none": HealthCheck(of=["tag:nowhere"], ping={}),
    }

    found = assigned(checks, estate(rows))

    assert {c.name for c in found[rows["servers"][0]["id"]]} == {"all", "one"}
    assert {c.name for of in found.values() for c in of} == {"all", "one"}
    assert notes(found, [rows["servers"][0]["id"]]) == (
        "Health check all: of 1 server(s).",
        "Health check one: of 1 server(s).",
    )


def test_a_template_prefers_the_floating_ip_and_ipv4() -> None:
    """What a user reaches; an IPv6 address in a URL has brackets."""
    assert filled("{address} {cloud}", FACTS) == "10.0.0.5 source"
    floating = FACTS.model_copy(update={"floating_ips": ("192.0.2.9",)})
    assert filled("{address}", floating) == "192.0.2.9"
    only_new = FACTS.model_copy(update={"fixed_ips": ("fd00::5",)})
    assert filled("http://{address}/", only_new) == "http://[fd00::5]/"
    assert filled("{address}", only_new) == "fd00::5"


def test_a_word_without_a_value_is_said() -> None:
    """A check that needs a floating IP fails on a server that has none."""
    http = check(http={"url": "http://{floating_ip}/"})

    assert lacking(http, FACTS) == "The server has no floating_ip, which the check needs."
    assert asked(http) == {"c": "The server has no floating_ip, which the check needs."}


def test_tcp_takes_a_connection_or_says_why_not() -> None:
    """A listening port passes; a closed one does not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert asked(check(tcp={"port": port, "host": "127.0.0.1"})) == {}
    closed = asked(check(tcp={"port": free_port(), "host": "127.0.0.1"}))
    assert "takes no connection" in closed["c"]


def test_http_wants_a_status_and_a_text() -> None:
    """Another status, or an answer without the text, fails with what came instead."""
    with page((200, "all is well")) as url:
        assert asked(check(http={"url": url, "text": "well"})) == {}
        assert "has no 'bad'" in asked(check(http={"url": url, "text": "bad"}))["c"]
        other = asked(check(http={"url": url, "status": [204, 301]}))
        assert "It answered 200, not 204 or 301." in other["c"]
    assert "gave no answer" in asked(check(http={"url": f"http://127.0.0.1:{free_port()}/"}))["c"]


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nX: "])
def test_a_page_that_drips_is_left_at_the_time_out(head: bytes) -> None:
    """Every byte of a body, or of a header, comes in time, and the answer as a whole does not."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head)
        with suppress(OSError):  # whoever asked has left
            for _ in range(40):
                handler.wfile.write(b"x")
                time.sleep(0.1)

    began = time.monotonic()
    with served(drip) as url:
        found = asked(check(http={"url": url}, timeout_s=0.3))
    assert "gave no answer: it did not end within 0.3 s." in found["c"]
    assert time.monotonic() - began < 3


def test_a_command_gets_words_and_no_shell() -> None:
    """What a shell would take apart arrives as it is; another exit code than 0 fails."""
    facts = FACTS.model_copy(update={"name": "a; exit 7"})
    assert asked(check(command={"argv": ["test", "{name}", "=", "a; exit 7"]}), facts=facts) == {}
    assert "exit code 1" in asked(check(command={"argv": ["false"]}))["c"]
    assert "cannot be run on the worker" in asked(check(command={"argv": ["/nowhere/x"]}))["c"]
    slow = asked(check(command={"argv": ["sleep", "60"]}, timeout_s=0.05))
    assert "did not end within 0.05 s" in slow["c"]


def test_a_name_makes_no_option_of_a_word() -> None:
    """Tenants choose names, and options may run commands; what the operator wrote may be one."""
    facts = FACTS.model_copy(update={"name": "-oProxyCommand=x"})
    ran = asked(check(command={"argv": ["echo", "{name}"]}), facts=facts)
    assert ran == {"c": "{name} would be an option: '-oProxyCommand=x' begins with a dash."}
    assert asked(check(command={"argv": ["echo", "-n", "--of={name}"]}), facts=facts) == {}


def test_ping_is_the_systems_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """One packet to the address; a host name cannot be taken for an option."""
    words: list[Any] = []
    monkeypatch.setattr(health, "_run", lambda given, *_: words.append(given) or "")

    assert asked(check(ping={})) == {}
    assert words == [["ping", "-n", "-c", "1", "--", "10.0.0.5"]]


def test_the_console_is_read_from_the_cloud() -> None:
    """The text among the last lines passes; Nova's refusal is said."""
    with cloud_subject() as (cloud, subject):
        cloud.route("POST", "compute", "/servers/v1/action", {"output": "boot\nlogin: "})
        assert ailments([check(console={"text": "login:"})], subject) == {}
        assert "has no 'ready'" in ailments([check(console={"text": "ready"})], subject)["c"]
        assert cloud.sent("POST", "compute", "/servers/v1/action")[0].json() == {
            "os-getConsoleOutput": {"length": 200}
        }
        cloud.fault("POST", "compute", "/servers/v1/action", status=404)
        assert "cannot be read" in ailments([check(console={"text": "x"})], subject)["c"]


def test_attempts_are_repeated_until_one_passes() -> None:
    """A copy that is still starting is asked again; before the stop three times at most."""
    with page((503, ""), (503, ""), (503, ""), (200, "")) as url, cloud_subject() as (_, subject):
        patient = check(http={"url": url}, attempts=5)
        assert "answered 503" in ailments([patient], subject, health.BEFORE)["c"]
        assert ailments([patient], subject) == {}


def test_a_stopped_run_waits_for_no_check() -> None:
    """The stop signal ends the pause between attempts."""
    stop = threading.Event()
    stop.set()
    endless = check(command={"argv": ["false"]}, attempts=1000, pause_s=60)
    with cloud_subject() as (_, subject), pytest.raises(Interrupted, match="checking c"):
        ailments([endless], subject, None, stop)


def test_every_failed_check_is_told() -> None:
    """One error has the server, the cloud, and each check with its reason."""
    both = [check("a", command={"argv": ["false"]}), check("b", command={"argv": ["true"]})]
    with cloud_subject() as (_, subject), pytest.raises(Unhealthy) as caught:
        demand([*both, check("c", command={"argv": ["false"]})], subject)

    assert [words[0] for words in caught.value.failed] == ["a", "c"]
    assert "Server web-1 (v1) of the source fails its health checks. a: false" in str(caught.value)
    assert summary(["b"], ["a"]) == "1 passed: b; failed before, not asked again: a"
    assert summary([], []) == ""


def test_a_subject_has_the_addresses_of_its_cloud() -> None:
    """Fixed addresses are those of the plan; floating ones are asked for, port by port."""
    row = {
        "name": "web",
        "ports": [{"id": "po", "fixed_ips": [{"ip_address": "10.0.0.5"}]}],
    }
    item = Item(
        kind="servers", source_id="v1", name="web", project="Default/shop", action=Action.CREATE,
        reason="", row=row,
    )  # fmt: skip
    with FakeCloud() as cloud, Api(cloud.block(), "target") as api:
        cloud.route(
            "GET",
            "network",
            "/floatingips",
            lambda request: {
                "floatingips": [{"floating_ip_address": "192.0.2.9"}]
                if request.query["port_id"] == "PO"
                else []
            },
        )
        facts = health.subject(api, item, "V1", ["PO"]).facts

    assert facts.words == {
        "address": "192.0.2.9", "fixed_ip": "10.0.0.5", "floating_ip": "192.0.2.9", "name": "web",
        "id": "V1", "project": "shop", "cloud": "target",
    }  # fmt: skip
