"""Multipart forms, read as a stream: fields into memory, the file to disk, hashed as it comes.

Django's rules for file names are followed, because a client has to survive them: everything up to
the last slash or backslash is cut, HTML entities are undone, what cannot be printed is dropped.
"""

from __future__ import annotations

import hashlib
import html
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from arcsecond.sandbox.answers import RefusedError
from arcsecond.sandbox.exchange import GoneError
from arcsecond.sandbox.values import Arrived

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from arcsecond.sandbox.exchange import Exchange

LARGEST_FIELDS_BYTES = 2_621_440
"""All fields of a form together; Django's default."""


class Form:
    """A form while it comes in, and afterwards: `fields`, `file_name`, `size`, `sha256`.

    Use it as a context manager: on the way out the file is gone, unless the store moved it.
    """

    def __init__(self, incoming: Path, boundary: bytes, on_file: Callable[[str], None]) -> None:
        self.fields: dict[str, list[str]] = {}
        self.file_name: str | None = None
        self.size = 0
        self.complete = False
        self._path = incoming / secrets.token_hex(12)
        self._sink: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._on_file = on_file
        self._headers: dict[bytes, bytes] = {}
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        self._field: tuple[str, bytearray] | None = None
        self._fields_bytes = 0
        self._in_file = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": self._data,
                "on_part_end": self._part_ends,
                "on_end": self._form_ends,
            },
        )

    def __enter__(self) -> Form:
        return self

    def __exit__(self, *_: object) -> None:
        if self._sink is not None:
            self._sink.close()
            self._path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the body; raises RefusedError where they are no form."""
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, f"Multipart form parse error - {error}"
            ) from error

    def text(self, name: str) -> str | None:
        """Return the last value of a field, or None."""
        values = self.fields.get(name)
        return values[-1] if values else None

    def arrived(self) -> Arrived:
        """Return the file as it lies on disk now."""
        if self._sink is not None:
            self._sink.close()
        return Arrived(self._path, self.size, self._hash.hexdigest())

    # What the parser calls

    def _part_begins(self) -> None:
        self._headers = {}
        self._header = (bytearray(), bytearray())
        self._field = None
        self._in_file = False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_ends(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            self._field = (name, bytearray())
            return
        file_name = stored_name(options[b"filename"].decode("utf-8", "replace"))
        if name == "file" and file_name and self._sink is None:
            self._in_file = True
            self.file_name = file_name
            self._sink = self._path.open("wb")
            self._on_file(file_name)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file and self._sink is not None:
            view = memoryview(data)[start:end]
            self._hash.update(view)
            self._sink.write(view)
            self.size += end - start
        elif self._field is not None:
            self._fields_bytes += end - start
            if self._fields_bytes > LARGEST_FIELDS_BYTES:
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The fields are too large.")
            self._field[1].extend(data[start:end])

    def _part_ends(self) -> None:
        if self._field is not None:
            name, value = self._field
            self.fields.setdefault(name, []).append(value.decode("utf-8", "replace"))

    def _form_ends(self) -> None:
        self.complete = True


def stored_name(sent: str) -> str:
    """Return what becomes of a file name on its way into the store; empty where nothing is left."""
    name = html.unescape(sent).rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
    name = "".join(character for character in name if character.isprintable())
    return "" if name in {".", ".."} else name


def new_form(exchange: Exchange) -> Form:
    """Return an empty form for a request; raises RefusedError where it announces none."""
    kind, options = parse_options_header(exchange.header(b"content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"file": ["No file was submitted."]})

    def on_file(name: str) -> None:
        exchange.record.file = name
        exchange.rules.plan_file(exchange.plan, exchange.method, exchange.full_path, name)
        if exchange.plan.drop and exchange.plan.drop.when == "before":
            exchange.cut()
        exchange.meddle()

    return Form(exchange.store.incoming, options[b"boundary"], on_file)


async def fill(form: Form, exchange: Exchange) -> None:
    """Read the form to its end; raises RefusedError, and GoneError when the client leaves."""
    try:
        async for chunk in exchange.chunks():
            form.write(chunk)
    except GoneError:
        if not exchange.plan.store_cut:
            raise
    exchange.record.dataset = exchange.record.dataset or form.text("dataset")
    if not form.complete and not (exchange.plan.store_cut and form.file_name):
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, "Multipart form parse error - the closing boundary is missing"
        )
