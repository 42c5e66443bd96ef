"""The streamed form: what is announced is what is sent, and what is sent is what was there."""

from __future__ import annotations

import hashlib
import io
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcsecond.errors import BodyChangedError, CancelledError
from arcsecond.multipart import (
    FAST_S,
    LARGEST_BLOCK,
    SLOW_S,
    SMALLEST_BLOCK,
    MultipartBody,
    next_block_size,
    printable_name,
)
from arcsecond.tags import find_sha256, join, sha256_tag

if TYPE_CHECKING:
    from email.message import EmailMessage

# The size matters only around the block's size; a pattern stands for the content.
sizes = st.integers(0, 300) | st.integers(SMALLEST_BLOCK - 300, SMALLEST_BLOCK + 300)
sizes = sizes | st.integers(0, 4 * SMALLEST_BLOCK)
texts = st.text(st.characters(codec="utf-8"), max_size=30)


def content_of(size: int) -> bytes:
    return bytes(range(251)) * (size // 251) + bytes(range(size % 251))


def parts_of(body: MultipartBody, raw: bytes) -> list[EmailMessage]:
    head = f"Content-Type: {body.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + raw)
    return list(message.iter_parts())  # type: ignore[arg-type]  # the HTTP policy makes them


class Trickle(io.RawIOBase):
    """Gives what it likes, as raw files and network file systems may."""

    def __init__(self, content: bytes, most: int) -> None:
        self._file = io.BytesIO(content)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._most))


@given(st.lists(st.tuples(texts, texts), max_size=4), texts, sizes)
def test_the_announced_length_is_what_is_sent(
    fields: list[tuple[str, str]], filename: str, size: int
) -> None:
    content = content_of(size)
    announced: list[int] = []
    body = MultipartBody(
        fields=fields,
        file=io.BytesIO(content + b"what was written since"),
        filename=filename,
        size=size,
        tags=sha256_tag,
        unchanged=lambda _: True,
        on_block=announced.append,
    )
    length = len(body)

    raw = b"".join(body)

    assert len(raw) == length == body.bytes_sent == sum(announced)
    assert content in raw
    assert body.file_bytes_sent == size
    assert body.complete
    assert body.sha256 == hashlib.sha256(content).hexdigest()


@given(sizes.filter(bool), st.sampled_from([1000, 4096, 65_537]))
def test_a_file_that_gives_less_than_asked_for_is_read_on(size: int, most: int) -> None:
    content = content_of(size)
    file = Trickle(content, most)

    body = MultipartBody(fields=[], file=file, filename="a", size=size)  # type: ignore[arg-type]  # raw

    assert content in b"".join(body)


@given(sizes.filter(bool), st.data())
def test_a_file_that_became_shorter_is_never_completed(size: int, data: st.DataObject) -> None:
    there = data.draw(st.integers(0, size - 1))
    body = MultipartBody(
        fields=[], file=io.BytesIO(content_of(there)), filename="a", size=size, tags=sha256_tag
    )

    taken, raised = [], False
    try:
        taken.extend(body)
    except BodyChangedError:
        raised = True

    assert raised
    assert not body.complete
    assert b"--" + body.content_type[-32:].encode() + b"--" not in b"".join(taken)
    assert sum(map(len, taken)) < len(body)


def test_the_form_is_read_back_by_the_standard_library() -> None:
    content = b"SIMPLE  = T\r\n--not-the-boundary--\r\n\x00\xff"
    body = MultipartBody(
        fields=[("dataset", "0b1c"), ("is_raw", "True")],
        file=io.BytesIO(content),
        filename="M 31 é.fits",
        size=len(content),
        tags=lambda sha256: join(["dome", sha256_tag(sha256)]),
    )

    dataset, is_raw, file, tags = parts_of(body, b"".join(body))

    assert dataset.get_payload(decode=True) == b"0b1c"
    assert is_raw.get_payload(decode=True) == b"True"
    assert file.get_payload(decode=True) == content
    assert find_sha256(str(tags.get_payload()).split(",")) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("filename", "sent"),
    [
        ("M31.fits", b'filename="M31.fits"'),
        ('12" f/4.fits', b'filename="12%22 f/4.fits"'),
        ("a\r\nb", b'filename="a%0D%0Ab"'),
        ("日本.fits", 'filename="日本.fits"'.encode()),
        (b"bad\xff.fits", b'filename="bad\\xff.fits"'),
        ("bad\udcff.fits", b'filename="bad\\xff.fits"'),
        ("lone\ud800.fits", b'filename="lone\\xed\\xa0\\x80.fits"'),
    ],
)
def test_the_name_is_sent_as_browsers_send_it(filename: str | bytes, sent: bytes) -> None:
    body = MultipartBody(fields=[], file=io.BytesIO(b"x"), filename=filename, size=1)

    assert sent in b"".join(body)


def test_a_name_is_printable_whatever_its_bytes() -> None:
    assert printable_name(bytes(range(256))).encode()


def test_a_file_that_changed_is_noticed_after_its_last_byte() -> None:
    events: list[str] = []
    size = 3 * SMALLEST_BLOCK
    file = io.BytesIO(content_of(size))

    def unchanged(sha256: str) -> bool:
        events.append(f"asked at {file.tell()} about {sha256}")
        return False

    body = MultipartBody(
        fields=[],
        file=file,
        filename="a",
        size=size,
        unchanged=unchanged,
        on_block=lambda _: events.append("block"),
    )
    with pytest.raises(BodyChangedError):
        list(body)

    sha256 = hashlib.sha256(content_of(size)).hexdigest()
    assert events[-1] == f"asked at {size} about {sha256}"
    assert not body.complete


def test_a_cancelled_body_ends_before_its_next_block() -> None:
    blocks: list[bytes] = []
    body = MultipartBody(
        fields=[],
        file=io.BytesIO(content_of(10 * SMALLEST_BLOCK)),
        filename="a",
        size=10 * SMALLEST_BLOCK,
        cancelled=lambda: len(blocks) == 2,
    )
    with pytest.raises(CancelledError) as caught:
        blocks.extend(body)  # extend takes them one by one, and that matters

    assert caught.value.bytes_sent == sum(map(len, blocks)) < len(body)


def test_tags_whose_length_depends_on_the_digest_are_a_mistake() -> None:
    body = MultipartBody(
        fields=[],
        file=io.BytesIO(b"x"),
        filename="a",
        size=1,
        tags=lambda sha256: "short" if sha256.startswith("0000") else "longer",
    )
    with pytest.raises(ValueError, match="length"):
        list(body)


def test_a_body_is_read_once() -> None:
    body = MultipartBody(fields=[], file=io.BytesIO(b"x"), filename="a", size=1)
    list(body)
    with pytest.raises(RuntimeError):
        iter(body)


@given(st.integers(SMALLEST_BLOCK, LARGEST_BLOCK), st.floats(0, 100))
def test_blocks_grow_on_a_fast_link_and_shrink_on_a_slow_one(size: int, took_s: float) -> None:
    following = next_block_size(size, took_s)

    assert SMALLEST_BLOCK <= following <= LARGEST_BLOCK
    assert following >= size or took_s > SLOW_S
    assert following <= size or took_s < FAST_S
