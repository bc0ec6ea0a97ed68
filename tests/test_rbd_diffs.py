"""What is read of a stream of `rbd export-diff`, wherever it is cut."""

import struct

import pytest

from pumphouse.rbd_diffs import BLOCK, HEADER, DiffDigest


def data(offset: int, content: bytes) -> bytes:
    """Return a record of data."""
    return b"w" + struct.pack("<QQ", offset, len(content)) + content


def zeros(offset: int, length: int) -> bytes:
    """Return a record of zeros."""
    return b"z" + struct.pack("<QQ", offset, length)


def stream(*records: bytes) -> bytes:
    """Return a whole diff of an image of 1 GiB."""
    name = b"t" + struct.pack("<I", 3) + b"s-1"
    return HEADER + name + b"s" + struct.pack("<Q", 1 << 30) + b"".join(records) + b"e"


def digested(text: bytes, cut: int = 1 << 20) -> DiffDigest:
    """Return the digest of a stream that comes in pieces of *cut* bytes."""
    found = DiffDigest()
    for place in range(0, len(text), cut):
        found.update(text[place : place + cut])
    return found


ONE = bytes(range(256)) * (BLOCK // 256)


@pytest.mark.parametrize("cut", [1, 7, BLOCK, 3 * BLOCK + 1])
def test_how_the_stream_is_cut_does_not_matter(cut: int) -> None:
    """A head may come in two pieces, and data too."""
    text = stream(data(0, ONE * 2), zeros(2 * BLOCK, BLOCK), data(8 * BLOCK, ONE))
    whole, pieces = digested(text), digested(text, cut)
    assert whole.hexdigest() == pieces.hexdigest()
    assert (pieces.size, pieces.data_bytes, pieces.is_complete) == (1 << 30, 3 * BLOCK, True)


@pytest.mark.parametrize(
    "other",
    [
        (data(0, ONE), data(BLOCK, ONE)),
        (data(0, ONE[:100]), data(100, ONE[100:] + ONE)),
        (data(0, ONE * 2 + bytes(BLOCK)), zeros(3 * BLOCK, BLOCK)),
    ],
)
def test_the_same_bytes_in_other_records_are_the_same(other: tuple[bytes, ...]) -> None:
    """Two pools cut extents differently, and may keep zeros or not."""
    assert digested(stream(data(0, ONE * 2))).hexdigest() == digested(stream(*other)).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        (data(BLOCK, ONE * 2),),
        (data(0, ONE),),
        (data(0, ONE + ONE[::-1]),),
        (data(0, ONE), data(2 * BLOCK, ONE)),
    ],
)
def test_other_bytes_or_other_places_differ(other: tuple[bytes, ...]) -> None:
    """What is elsewhere, missing or changed is seen."""
    assert digested(stream(data(0, ONE * 2))).hexdigest() != digested(stream(*other)).hexdigest()


def test_a_stream_that_was_cut_short_is_not_complete() -> None:
    """Only the record of the end makes it whole."""
    assert not digested(stream(data(0, ONE))[:-1]).is_complete


def test_something_else_is_refused() -> None:
    """Whatever is no such diff, or has a record that nobody knows, raises."""
    with pytest.raises(ValueError, match="no diff"):
        digested(b"rbd diff v2\n")
    with pytest.raises(ValueError, match="unknown"):
        digested(HEADER + b"q")
