"""
Carry an image's bytes from one Glance to another, through memory that does not grow.

One thread reads, one writes, a bounded queue is between them, and the caller's thread looks
at the clock: it reports progress and hears the stop signal.
"""

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import requests
from keystoneauth1 import exceptions as ksa

from pumphouse.errors import CopyFailed, Interrupted
from pumphouse.tables import Row
from pumphouse.tasks.api import Api, first_line, reason
from pumphouse.tasks.bandwidth import Bandwidth
from pumphouse.tasks.waiting import NEVER

CHUNK = 1 << 20
QUEUED_CHUNKS = 16
REPORT_EVERY_S = 1.0

Progress = Callable[[int, int], None]
"""Called with the bytes written and the bytes in all, at most once a second."""


class Broken(Exception):
    """One attempt did not get through. A whole new one may."""

    def __init__(self, why: str, heals: bool = True) -> None:
        super().__init__(why, heals)
        self.why = why
        self.heals = heals


class Body:
    """
    What requests sends: it has a length, so the transfer is not chunked, and no ``read``.

    It can be read once: a second reading would send the wrong bytes after a 401.
    """

    def __init__(self, chunks: Iterator[bytes], size: int) -> None:
        self._chunks = chunks
        self._size = size
        self._is_read = False

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        if self._is_read:
            raise Broken("The target asked for the bytes a second time.")
        self._is_read = True
        return self._chunks


@dataclass
class _Transfer:
    """One attempt: what its two threads share."""

    size: int
    digest: "hashlib._Hash | None"
    chunks: "queue.Queue[bytes | Exception | None]" = field(
        default_factory=lambda: queue.Queue(QUEUED_CHUNKS)
    )
    stop: threading.Event = field(default_factory=threading.Event)
    written: int = 0
    failure: Exception | None = None

    def put(self, chunk: bytes | Exception | None) -> None:
        """Queue *chunk* as soon as there is room; give up when the attempt is over."""
        while not self.stop.is_set():
            try:
                return self.chunks.put(chunk, timeout=0.5)
            except queue.Full:
                continue

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = self.chunks.get(timeout=0.5)
            except queue.Empty:
                if self.stop.is_set():
                    raise Broken("It was stopped.") from None
                continue
            if isinstance(chunk, Exception):
                raise chunk
            if chunk is None:
                return
            yield chunk
            self.written += len(chunk)


def stream(
    source: Api,
    target: Api,
    image: Row,
    target_id: str,
    progress: Progress = lambda done, size: None,
    stop: threading.Event = NEVER,
    algorithm: str | None = None,
) -> str | None:
    """
    Send the bytes of the source's *image* to the target's queued image *target_id*, once.

    image: With ``id`` and ``size_bytes``.
    algorithm: Hash the bytes with it on the way and return the value; None hashes nothing.

    Raises:
        Broken: They did not all arrive. The target's image is not active.
        Interrupted: *stop* was set.
    """
    digest = hashlib.new(algorithm) if algorithm else None
    transfer = _Transfer(int(image["size_bytes"]), digest)
    reader = threading.Thread(target=_read, args=(source, image["id"], transfer), daemon=True)
    writer = threading.Thread(target=_write, args=(target, target_id, transfer), daemon=True)
    reader.start()
    writer.start()
    told = 0.0
    while writer.is_alive():
        writer.join(0.05)
        if stop.is_set():
            transfer.stop.set()
            raise Interrupted(f"copying image {image['id']}")
        if time.monotonic() - told >= REPORT_EVERY_S:
            told = time.monotonic()
            progress(transfer.written, transfer.size)
    transfer.stop.set()
    reader.join(5)
    if transfer.failure:
        raise transfer.failure
    progress(transfer.written, transfer.size)
    return digest.hexdigest() if digest else None


def _read(source: Api, image_id: str, transfer: _Transfer) -> None:
    """Fill the queue from the source; what goes wrong is queued too."""
    try:
        adapter = source.adapter("image")
        answer = adapter.get(f"/images/{image_id}/file", stream=True, raise_exc=False, log=False)
        with answer:
            if answer.status_code != 200:
                heals = answer.status_code in (401, 408, 429) or answer.status_code >= 500
                why = f"The source answered {answer.status_code}: {reason(answer)}"
                raise Broken(why, heals)
            _pump(answer, transfer, source.bandwidth)
    except Broken as error:
        transfer.put(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the writer must hear of it
        transfer.put(Broken(f"Reading from the source broke: {first_line(error)}"))


def _pump(answer: requests.Response, transfer: _Transfer, bandwidth: Bandwidth) -> None:
    read = 0
    while chunk := answer.raw.read(CHUNK):
        read += len(chunk)
        bandwidth.spend(len(chunk))
        if transfer.digest:
            transfer.digest.update(chunk)
        transfer.put(chunk)
        if transfer.stop.is_set():
            return
    if read != transfer.size:
        raise Broken(f"The source sent {read} of {transfer.size} bytes.")
    transfer.put(None)


def _write(target: Api, target_id: str, transfer: _Transfer) -> None:
    """Send the queue to the target."""
    try:
        answer = target.adapter("image").put(
            f"/images/{target_id}/file",
            data=Body(iter(transfer), transfer.size),
            headers={"Content-Type": "application/octet-stream"},
            raise_exc=False,
            connect_retries=0,
            status_code_retries=0,
            log=False,
        )
        if answer.status_code >= 400:
            heals = answer.status_code in (401, 408, 409, 429) or answer.status_code >= 500
            why = f"The target answered {answer.status_code}: {reason(answer)}"
            transfer.failure = Broken(why, heals)
    except Broken as error:
        transfer.failure = error
    except (ksa.ClientException, requests.RequestException, OSError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, Broken) else None
        transfer.failure = cause or Broken(f"Writing to the target broke: {first_line(error)}")
    finally:
        transfer.stop.set()


def failed(kind: str, name: str, why: str) -> CopyFailed:
    """Return the error of a copy that was given up; what was begun at the target is deleted."""
    return CopyFailed(
        kind, name, why, "Nothing is left of it at the target. Run the migration again."
    )
