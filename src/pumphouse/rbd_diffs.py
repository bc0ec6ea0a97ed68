"""
Read what `rbd export-diff` writes, on its way, and tell what it says.

Pure. The format is Ceph's "rbd diff v1": a line, then records, each a letter with little-endian
numbers: https://docs.ceph.com/en/latest/dev/rbd-diff/.
"""

import hashlib
import struct

HEADER = b"rbd diff v1\n"
BLOCK = 4096
"""Bytes that are compared as one: zeros or not."""

_ZEROS = bytes(BLOCK)
_SIZE, _DATA, _ZERO, _END = b"s", b"w", b"z", b"e"


class DiffDigest:
    """
    A digest of the data in a diff that does not depend on how it is cut into records.

    Two pools cut their extents differently, and one keeps zeros that the other has discarded. So
    it is the digest of all blocks that are not zeros, each with its place. Offsets ascend.

    Attributes:
        size: Of the image, as the diff says it; None before.

        data_bytes: Of all records of data so far.

        is_complete: Whether the end was seen.
    """

    def __init__(self) -> None:
        self.size: int | None = None
        self.data_bytes = 0
        self.is_complete = False
        self._digest = hashlib.blake2b()
        self._rest = b""
        self._left = 0
        self._offset = 0
        self._block = bytearray(BLOCK)
        self._number: int | None = None
        self._next: int | None = None
        self._has_header = False

    def update(self, chunk: bytes) -> None:
        """
        Take the next bytes of the stream, cut anywhere.

        Raises:
            ValueError: They are no such diff.
        """
        buffer = self._rest + chunk if self._rest else chunk
        place = 0
        while place < len(buffer):
            if self._left:
                place += self._take(buffer, place)
                continue
            used = self._record(buffer, place)
            if not used:
                break
            place += used
        self._rest = buffer[place:]

    def hexdigest(self) -> str:
        """Return the digest of what came so far."""
        self._flush()
        return self._digest.hexdigest()

    def _take(self, buffer: bytes, place: int) -> int:
        """Take whole blocks without zeros, or data up to the end of its block; return how many."""
        number, start = divmod(self._offset, BLOCK)
        if number != self._number:
            self._flush()
            self._number = number
        length = min(self._left, len(buffer) - place)
        blocks = length // BLOCK
        piece = buffer[place : place + blocks * BLOCK] if start == 0 else b""
        if piece and not _has_zeros(piece):
            self._digest_blocks(number, piece)
            self._number = None
            self._left -= len(piece)
            self._offset += len(piece)
            return len(piece)
        length = min(length, BLOCK - start)
        self._block[start : start + length] = buffer[place : place + length]
        self._left -= length
        self._offset += length
        return length

    def _flush(self) -> None:
        """Digest the block that is full, or that no more comes for, unless it is of zeros."""
        if self._number is None or self._block == _ZEROS:
            return
        self._digest_blocks(self._number, self._block)
        self._block[:] = _ZEROS

    def _digest_blocks(self, number: int, content: bytes | bytearray) -> None:
        if number != self._next:
            self._digest.update(b"@%d" % number)
        self._next = number + len(content) // BLOCK
        self._digest.update(content)

    def _record(self, buffer: bytes, place: int) -> int:
        """Take one record's head; return its length, or 0 when it is not all there yet."""
        if not self._has_header:
            if len(buffer) - place < len(HEADER):
                return 0
            if buffer[place : place + len(HEADER)] != HEADER:
                raise ValueError(f"no diff of version 1: {buffer[:16]!r}")
            self._has_header = True
            return len(HEADER)
        kind = buffer[place : place + 1]
        if kind == _END:
            self.is_complete = True
            return 1
        if kind in (b"f", b"t"):
            return self._name(buffer, place)
        numbers = {_SIZE: 1, _DATA: 2, _ZERO: 2}.get(kind)
        if numbers is None:
            raise ValueError(f"a record of unknown kind {kind!r}")
        length = 1 + 8 * numbers
        if len(buffer) - place < length:
            return 0
        values = struct.unpack_from(f"<{numbers}Q", buffer, place + 1)
        if kind == _SIZE:
            self.size = values[0]
        elif kind == _DATA:
            self._begin(*values)
        return length

    @staticmethod
    def _name(buffer: bytes, place: int) -> int:
        if len(buffer) - place < 5:
            return 0
        length = 5 + int(struct.unpack_from("<I", buffer, place + 1)[0])
        return length if len(buffer) - place >= length else 0

    def _begin(self, offset: int, length: int) -> None:
        self._offset = offset
        self._left = length
        self.data_bytes += length


def _has_zeros(piece: bytes) -> bool:
    """Tell whether one of the blocks of *piece* is of zeros; most are told by their first byte."""
    starts = piece[::BLOCK]
    place = starts.find(0)
    while place >= 0:
        if piece[place * BLOCK : (place + 1) * BLOCK] == _ZEROS:
            return True
        place = starts.find(0, place + 1)
    return False
