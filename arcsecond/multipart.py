"""The body of an upload: a multipart form of known length, streamed from the file as it is read.

The SHA-256 is computed on the way, so that the form's last part can name it. The closing boundary
goes out only when the file is still what it was: a form without it is no form, and the connection
that carried it is reset by the transport. Nothing of the network is known here.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import TYPE_CHECKING, BinaryIO

from arcsecond.errors import BodyChangedError, CancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SMALLEST_BLOCK = 64 * 1024
LARGEST_BLOCK = 1024 * 1024
FAST_S = 0.02
SLOW_S = 1.0
"""Blocks double while one takes less than `FAST_S` and halve when it takes more than `SLOW_S`:
large ones cost half the CPU on a fast link, small ones keep the progress and the throttle fine."""

_QUOTED = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def printable_name(filename: str | bytes) -> str:
    r"""Return a file name as words: UTF-8, with backslash escapes for what is none (`bad\xff.fits`)."""
    return _as_bytes(filename).decode("utf-8", "backslashreplace")


def _as_bytes(filename: str | bytes) -> bytes:
    if isinstance(filename, bytes):
        return filename
    try:
        return filename.encode("utf-8", "surrogateescape")  # as os.fsdecode gave it
    except UnicodeEncodeError:
        return filename.encode("utf-8", "surrogatepass")  # as Windows may have it


def next_block_size(size: int, took_s: float) -> int:
    """Return how large the next block should be, after one of `size` bytes took `took_s` seconds."""
    if took_s < FAST_S:
        return min(size * 2, LARGEST_BLOCK)
    if took_s > SLOW_S:
        return max(size // 2, SMALLEST_BLOCK)
    return size


class MultipartBody:
    """One upload form: the fields, the file, and (where asked for) `tags` with the file's SHA-256.

    `file` is read from where it stands, exactly `size` bytes of it, once. `tags` turns the
    SHA-256's hex digits into the value of the last part; the value's length must not depend on the
    digest. `unchanged` is asked after the file's last byte was read, and given the SHA-256 of what
    was read. `on_block` is told the bytes of each block before it goes out, and may wait.
    `cancelled` is asked before each block.
    """

    def __init__(
        self,
        *,
        fields: Sequence[tuple[str, str]],
        file: BinaryIO,
        filename: str | bytes,
        size: int,
        tags: Callable[[str], str] | None = None,
        unchanged: Callable[[str], bool] | None = None,
        on_block: Callable[[int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._file = file
        self._size = size
        self._tags = tags
        self._unchanged = unchanged
        self._on_block = on_block
        self._cancelled = cancelled
        self._boundary = secrets.token_hex(16)
        self._head = (
            b"".join(self._field(name, value) for name, value in fields)
            + (
                f"--{self._boundary}\r\n"
                f'Content-Disposition: form-data; name="file"; filename="{_quoted(filename)}"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
        )
        self._length = len(self._head) + size + len(self._tail("0" * 64))
        self._begun = False
        self.content_type = f"multipart/form-data; boundary={self._boundary}"
        self.bytes_sent = 0
        """Bytes of the whole form that were taken from the iterator and dealt with."""
        self.file_bytes_sent = 0
        """Bytes of the file among them."""
        self.complete = False
        """The closing boundary was taken and dealt with."""
        self.sha256: str | None = None
        """The file's SHA-256 in hex, once its last byte was read."""

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """Yield the form in blocks, once.

        Raises BodyChangedError when the file is shorter than `size` or `unchanged` says no, and
        CancelledError; both before the closing boundary.
        """
        if self._begun:
            raise RuntimeError("a body is read once")
        self._begun = True
        return self._blocks()

    def _blocks(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        block_size, left = SMALLEST_BLOCK, self._size
        head = self._head
        while left > block_size:
            data = self._read(block_size)
            digest.update(data)
            # With the wait for its share of the bandwidth: a throttled block stays a small one.
            started = time.monotonic()
            self._announce(len(head) + len(data))
            yield head + data if head else data
            self.bytes_sent += len(head) + len(data)
            self.file_bytes_sent += len(data)
            left -= len(data)
            head = b""
            block_size = next_block_size(block_size, time.monotonic() - started)
        data = self._read(left)
        digest.update(data)
        self.sha256 = digest.hexdigest()
        tail = self._tail(self.sha256)
        last = b"".join((head, data, tail))
        if self.bytes_sent + len(last) != self._length:
            raise ValueError("the length of the tags depends on the digest")
        self._announce(len(last))
        # Asked last of all: on_block may have waited for its share of the bandwidth.
        if self._unchanged is not None and not self._unchanged(self.sha256):
            self._stop_if_cancelled()
            raise self._changed("the file changed while it was being sent")
        yield last
        self.bytes_sent += len(last)
        self.file_bytes_sent += len(data)
        self.complete = True

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) == count:
            return data
        pieces = [data]
        missing = count - len(data)
        while missing:  # a raw file may give less than was asked for before its end
            if not pieces[-1]:
                raise self._changed("the file became shorter while it was being sent")
            pieces.append(self._file.read(missing))
            missing -= len(pieces[-1])
        return b"".join(pieces)

    def _announce(self, count: int) -> None:
        self._stop_if_cancelled()
        if self._on_block is not None:
            self._on_block(count)
            self._stop_if_cancelled()

    def _stop_if_cancelled(self) -> None:
        if self._cancelled is not None and self._cancelled():
            raise CancelledError("the upload was cancelled", bytes_sent=self.bytes_sent)

    def _changed(self, message: str) -> BodyChangedError:
        return BodyChangedError(message, bytes_sent=self.bytes_sent)

    def _field(self, name: str, value: str) -> bytes:
        return (
            f'--{self._boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'
            f"\r\n\r\n{value}\r\n"
        ).encode("utf-8", "backslashreplace")

    def _tail(self, sha256: str) -> bytes:
        tags = b"" if self._tags is None else self._field("tags", self._tags(sha256))
        return b"\r\n" + tags + f"--{self._boundary}--\r\n".encode()


def _quoted(name: str | bytes) -> str:
    # As browsers do (WHATWG HTML, "multipart form data"): three characters are percent-encoded.
    return printable_name(name).translate(_QUOTED)
