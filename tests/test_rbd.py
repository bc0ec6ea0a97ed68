"""Commands of `rbd` that hang: which are waited for, which are killed, and what is said then."""

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from pumphouse.config import MigrateOptions
from pumphouse.errors import CephFailed, CopyFailed, Interrupted
from pumphouse.rbd_options import PoolAccess
from pumphouse.tasks.carrying import Carrier
from pumphouse.tasks.rbd import Image, Rbd, read_back, send

IMAGE, COPY = Image("here", "volume-s1"), Image("there", "volume-t1")

SLEEPS = "import time; time.sleep(60)"
ENDLESS = (
    "import struct, sys\n"
    "sys.stdout.buffer.write(b'rbd diff v1\\nw' + struct.pack('<QQ', 0, 1 << 50))\n"
    "while True: sys.stdout.buffer.write(b'x' * 65536)"
)
WHOLE = "import sys; sys.stdout.buffer.write(b'rbd diff v1\\ne')"
SLOW = (
    "import sys, time\n"
    "def say(what): sys.stdout.buffer.write(what); sys.stdout.flush()\n"
    "say(b'rbd diff v1\\n')\n"
    "for _ in range(6): time.sleep(0.5); say(b'z' + b'0' * 16)\n"
    "say(b'e')"
)
READS = "import sys; sys.stdin.buffer.read()"
STALLS = [(ENDLESS, SLEEPS), (SLEEPS, READS), (WHOLE, f"{READS}; {SLEEPS}")]
"""A writer that never reads, a reader that never says anything, and a writer that never ends."""


@dataclass(frozen=True)
class Scripted(Rbd):
    """A Ceph whose `rbd` is a script."""

    access: PoolAccess = field(default_factory=PoolAccess)
    role: str = "source"
    script: str = ""

    def argv(self, *words: str) -> list[str]:
        """Return the command line of the script."""
        return [sys.executable, "-c", self.script]


@pytest.mark.parametrize(("reader", "writer"), STALLS)
def test_a_copy_that_stalls_is_ended(reader: str, writer: str) -> None:
    """A full pool answers nothing, and the server is down."""
    began = time.monotonic()
    with pytest.raises(CopyFailed, match=r"no byte moved for 1 s\..*`ceph -s`.*stall_timeout_s"):
        send(Scripted(script=reader, stall_s=1), Scripted(script=writer), IMAGE, COPY, "p")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(("reader", "writer"), STALLS)
def test_a_copy_that_stalls_can_be_cancelled(reader: str, writer: str) -> None:
    """Prefect would kill the process else, and leave everything as it is."""
    stop, began = threading.Event(), time.monotonic()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Interrupted):
        send(Scripted(script=reader), Scripted(script=writer), IMAGE, COPY, "p", stop=stop)
    assert time.monotonic() - began < 20


def test_reading_back_ends_likewise() -> None:
    """Its server boots meanwhile."""
    stop = threading.Event()
    with pytest.raises(CopyFailed, match="no byte moved"):
        read_back(Scripted(script=SLEEPS, stall_s=0.2), COPY, "p")
    stop.set()
    with pytest.raises(Interrupted):
        read_back(Scripted(script=SLEEPS), COPY, "p", stop=stop)


def test_a_slow_copy_is_not_ended() -> None:
    """It took longer than the limit in all, but something moved all the time."""
    reader = Scripted(script=SLOW, stall_s=2.5)
    assert send(reader, Scripted(script=READS), IMAGE, COPY, "p").is_complete
    assert read_back(reader, COPY, "p").is_complete


def test_a_rename_is_never_killed() -> None:
    """Not after the time of a small command, nor by Ctrl-C: it would leave two names."""
    script = "import os, time; time.sleep(1); assert os.getsid(0) == os.getpid()"
    Scripted(script=script, timeout_s=0.1).rename(IMAGE, "volume-t1")


def test_what_a_killed_command_did_is_not_denied() -> None:
    """It was killed in the middle of something, perhaps."""
    with pytest.raises(CephFailed) as failed:
        Scripted(script=SLEEPS, timeout_s=0.1).change("snap", "create", IMAGE.at("p"))
    assert "within 0.1 s. What it changed by then stays changed." in str(failed.value)
    assert "changed nothing" not in str(failed.value)


def test_what_takes_hours_can_be_cancelled() -> None:
    """To flatten an image, which the next run goes on with."""
    stop, began = threading.Event(), time.monotonic()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(Interrupted, match="while running rbd flatten here/volume-s1"):
        Scripted(script=SLEEPS).change("flatten", IMAGE.spec, timeout_s=3600, stop=stop)
    assert time.monotonic() - began < 20
    # Nothing is lost of what one says that is looked at more than once.
    script = "import time; print('a'); time.sleep(1.2); print('b')"
    assert (
        Scripted(script=script).change("flatten", IMAGE.spec, stop=threading.Event()) == "a\nb\n"
    )


def test_a_directory_is_read_and_limits_come_from_the_options() -> None:
    """An operator sets both."""
    assert Scripted(script="print('[\"volume-s1\"]')").names("here") == ["volume-s1"]
    options = MigrateOptions(rbd={"command_timeout_s": 7, "stall_timeout_s": 8})  # type: ignore[arg-type]
    nobody = cast(Any, None)
    carrier = Carrier(nobody, nobody, None, options, 1)
    for rbd in (carrier.source_rbd, carrier.target_rbd):
        assert (rbd.timeout_s, rbd.stall_s) == (7, 8)
