"""What Ceph's own command `rbd` is asked and told: no shell, bounded time, bounded memory."""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Self

from pumphouse.errors import CephFailed, CopyFailed, Interrupted
from pumphouse.rbd_diffs import DiffDigest
from pumphouse.rbd_options import PoolAccess, looked_up
from pumphouse.tasks.streams import Progress
from pumphouse.tasks.waiting import NEVER

CHUNK_BYTES = 1 << 20
LOOK_EVERY_S = 0.5
LONG = ("export-diff", "import-diff", "flatten", "rm")
"""Commands that tell how far they are, unless asked not to."""

RENAME_S = 24 * 3600.0
"""
A rename gets the time that a pool needs to heal: killed between its steps it leaves an image under
two names, and nothing else can be done in such a pool meanwhile.
"""

MISSING = 2
"""What `rbd` ends with when there is no such image."""


@dataclass(frozen=True)
class Image:
    """An image in a pool, perhaps at one of its snapshots."""

    pool: str
    name: str

    @property
    def spec(self) -> str:
        """Return it as `rbd` wants it."""
        return f"{self.pool}/{self.name}"

    def at(self, snapshot: str) -> str:
        """Return its snapshot as `rbd` wants it."""
        return f"{self.spec}@{snapshot}"


@dataclass(frozen=True)
class Rbd:
    """The Ceph of one cloud, as the worker reaches it. *role* is for messages."""

    access: PoolAccess
    role: str
    timeout_s: float = 60
    stall_s: float = 300

    def pool(self, host: str | None) -> str:
        """
        Return the pool of a back end of Cinder.

        Raises:
            CephFailed: The configuration does not name it.
        """
        found = looked_up(self.access.pools, host)
        if found is None:
            where = f"migrate.rbd.{self.role}.pools"
            raise CephFailed(self.role, f"back end {host}", f"{where} does not name its pool")
        return found

    def argv(self, *words: str) -> list[str]:
        """Return the command line of `rbd` with our access."""
        keyring = ["--keyring", self.access.keyring] if self.access.keyring else []
        access = ["--conf", self.access.conf, "--id", self.access.user, *keyring]
        quiet = ["--no-progress"] if words[0] in LONG else []
        return ["rbd", *access, *words, *quiet]

    def change(
        self, *words: str, timeout_s: float | None = None, stop: threading.Event = NEVER
    ) -> str:
        """Run a command that changes something, as `call`: what counts the effects stands here."""
        return self.call(*words, timeout_s=timeout_s, stop=stop)

    def call(
        self, *words: str, timeout_s: float | None = None, stop: threading.Event = NEVER
    ) -> str:
        """
        Run a small command and return what it prints.

        Raises:
            CephFailed: It failed, it did not end, or there is no `rbd` here.
            Interrupted: *stop* was set; the command was ended.
        """
        done = self._run(words, timeout_s, stop)
        if done.returncode:
            raise CephFailed(self.role, " ".join(words), _last_line(done.stderr))
        return done.stdout

    def _run(
        self, words: Sequence[str], timeout_s: float | None, stop: threading.Event = NEVER
    ) -> "subprocess.CompletedProcess[str]":
        what, argv = " ".join(words), self.argv(*words)
        limit_s = timeout_s or self.timeout_s
        is_rename = words[0] == "rename"
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                # Ctrl-C in a terminal reaches every process there, and would end a rename too.
                start_new_session=is_rename,
            )
        except FileNotFoundError as error:
            why = "the command rbd is not on this worker; install ceph-common"
            raise CephFailed(self.role, what, why) from error
        with process:
            try:
                said = _communicate(process, limit_s, stop)
            except subprocess.TimeoutExpired as error:
                process.kill()
                why = f"no answer within {limit_s:g} s"
                left = "What it changed by then stays changed."
                raise CephFailed(self.role, what, why, left) from error
            except BaseException:
                if not is_rename:
                    process.kill()
                raise
        if said is None:
            raise Interrupted(f"running rbd {what}")
        return subprocess.CompletedProcess(argv, process.returncode, *said)

    def info(self, image: Image) -> dict[str, Any] | None:
        """Return what Ceph knows of an image; None when there is none of that name."""
        words = ("info", "--format", "json", image.spec)
        done = self._run(words, None)
        if done.returncode == MISSING:
            return None
        if done.returncode:
            raise CephFailed(self.role, " ".join(words), _last_line(done.stderr))
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def names(self, pool: str) -> list[str]:
        """Return the names of the images that the directory of a pool has."""
        found: list[str] = json.loads(self.call("ls", "--format", "json", pool))
        return found

    def snapshots(self, image: Image) -> list[str]:
        """Return the names of an image's snapshots, oldest first."""
        listed = json.loads(self.call("snap", "ls", "--format", "json", image.spec))
        return [found["name"] for found in sorted(listed, key=lambda s: int(s["id"]))]

    def remove_snapshot(self, image: Image, name: str) -> None:
        """Remove a snapshot, at the second try too: Cinder deletes no image that has one."""
        try:
            self.change("snap", "rm", image.at(name))
        except CephFailed:
            if name in self.snapshots(image):
                self.change("snap", "rm", image.at(name))

    def watchers(self, image: Image) -> list[str]:
        """Return the addresses of clients that have an image open."""
        told = json.loads(self.call("status", "--format", "json", image.spec))
        return [watcher["address"] for watcher in told.get("watchers", [])]

    def rename(self, image: Image, name: str) -> None:
        """Give an image another name in its pool, however long that takes."""
        self.change("rename", image.spec, f"{image.pool}/{name}", timeout_s=RENAME_S)


def gib(size_bytes: int) -> int:
    """Return what Cinder says of an image that long: whole GiB, of which a part counts as one."""
    return -(-size_bytes >> 30)


def _communicate(
    process: "subprocess.Popen[str]", limit_s: float, stop: threading.Event
) -> tuple[str, str] | None:
    """
    Return what a process says; None when it was ended, because *stop* was set.

    Raises:
        TimeoutExpired: It does not end. It still runs.
    """
    ends_at = time.monotonic() + limit_s
    while not stop.is_set():
        left_s = max(0.0, ends_at - time.monotonic())
        try:
            return process.communicate(timeout=min(LOOK_EVERY_S, left_s))
        except subprocess.TimeoutExpired:
            if left_s <= LOOK_EVERY_S:
                raise
    process.kill()
    return None


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it gives no reason"


class _Watch:
    """
    Kills what copies when no byte moved for too long, or when the run is told to stop.

    A pool that is full, or has inactive placement groups, refuses nothing: who reads or writes
    there waits without end, and hears nothing. What is killed ends that wait.
    """

    def __init__(
        self,
        processes: "Sequence[subprocess.Popen[bytes]]",
        stall_s: float,
        stop: threading.Event,
    ) -> None:
        self._processes = processes
        self._stall_s = stall_s
        self._stop = stop
        self._moved_at = time.monotonic()
        self._is_over = threading.Event()
        self._has_killed = False
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def moved(self) -> None:
        """Note that bytes moved just now."""
        self._moved_at = time.monotonic()

    def require_untouched(self, what: str, name: str) -> None:
        """Raise the reason if it was this that ended the copy."""
        if not self._has_killed:
            return
        if self._stop.is_set():
            raise Interrupted("copying between two pools of Ceph")
        why = f"rbd {what}: no byte moved for {self._stall_s:g} s."
        raise CopyFailed("image of Ceph", name, why, f"{_STALLED} {_AGAIN}")

    def _look(self) -> None:
        while not self._stop.is_set() and time.monotonic() - self._moved_at < self._stall_s:
            if self._is_over.wait(min(LOOK_EVERY_S, self._stall_s)):
                return
        self._has_killed = True
        for process in self._processes:
            process.kill()


def send(
    source: Rbd,
    target: Rbd,
    image: Image,
    copy: Image,
    snapshot: str,
    since: str | None = None,
    progress: Progress = lambda done, size: None,
    stop: threading.Event = NEVER,
) -> DiffDigest:
    """
    Copy what *snapshot* of *image* has, and *copy* has not, and make that snapshot there.

    since: The newest snapshot that both have; None copies everything that was ever written.

    Raises:
        CopyFailed: It is not all there, or stalled; the copy has no such snapshot.
        Interrupted: *stop* was set; likewise.
    """
    digest = DiffDigest()
    from_ = ("--from-snap", since) if since else ()
    what = f"export-diff {image.at(snapshot)} | import-diff {copy.spec}"
    with tempfile.TemporaryFile() as said:
        reader = _start(source.argv("export-diff", *from_, image.at(snapshot), "-"), said)
        writer = _start(target.argv("import-diff", "-", copy.spec), said, is_reading=True)
        assert reader.stdout is not None
        assert writer.stdin is not None
        into = writer.stdin

        def take(chunk: bytes) -> None:
            into.write(chunk)
            progress(digest.data_bytes, max(digest.size or 0, digest.data_bytes))

        with _Watch((reader, writer), source.stall_s, stop) as watch:
            try:
                _pump(reader.stdout, digest, take, watch)
                into.close()
            except BrokenPipeError:
                # The writer ended; it says why below.
                pass
            finally:
                codes = _end(reader, writer, digest.is_complete)
        watch.require_untouched(what, image.name)
        _require(what, codes, digest, said, image.name)
    return digest


def read_back(
    where: Rbd,
    image: Image,
    snapshot: str,
    since: str | None = None,
    stop: threading.Event = NEVER,
) -> DiffDigest:
    """Return the digest of what *snapshot* of *image* has beyond *since*. Errors as `send`."""
    digest = DiffDigest()
    from_ = ("--from-snap", since) if since else ()
    what = f"export-diff {image.at(snapshot)}"
    with tempfile.TemporaryFile() as said:
        reader = _start(where.argv("export-diff", *from_, image.at(snapshot), "-"), said)
        assert reader.stdout is not None
        with _Watch((reader,), where.stall_s, stop) as watch:
            try:
                _pump(reader.stdout, digest, lambda chunk: None, watch)
            finally:
                codes = _end(reader, None, digest.is_complete)
        watch.require_untouched(what, image.name)
        _require(what, codes, digest, said, image.name)
    return digest


def _start(
    argv: list[str], said: IO[bytes], is_reading: bool = False
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE if is_reading else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if is_reading else subprocess.PIPE,
        stderr=said,
        pipesize=CHUNK_BYTES,
        # Read what there is; a buffer also finishes a write that a signal cut.
        bufsize=-1 if is_reading else 0,
    )


def _pump(
    reader: IO[bytes], digest: DiffDigest, take: Callable[[bytes], None], watch: _Watch
) -> None:
    while chunk := reader.read(CHUNK_BYTES):
        watch.moved()
        digest.update(chunk)
        take(chunk)
        watch.moved()


def _end(
    reader: "subprocess.Popen[bytes]",
    writer: "subprocess.Popen[bytes] | None",
    is_complete: bool,
) -> list[int]:
    """Wait for both ends; when the stream was cut, end them first, so that neither waits."""
    codes = []
    for process in (reader, writer):
        if process is None:
            continue
        if not is_complete:
            process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                # What the buffer holds for an end that is gone, is lost with it.
                with suppress(BrokenPipeError):
                    pipe.close()
        codes.append(process.wait())
    return codes


def _require(
    what: str, codes: Sequence[int], digest: DiffDigest, said: IO[bytes], name: str
) -> None:
    if digest.is_complete and not any(codes):
        return
    said.seek(0)
    why = _last_line(said.read().decode(errors="replace"))
    raise CopyFailed("image of Ceph", name, f"rbd {what} failed: {why}.", _AGAIN)


_STALLED = (
    "See with `ceph -s` of both whether a pool is full or has inactive placement groups; "
    "migrate.rbd.stall_timeout_s says how long to wait."
)
_AGAIN = "What arrived is kept and used when it is run again, or deleted with the copy."
