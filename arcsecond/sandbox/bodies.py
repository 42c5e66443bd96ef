"""The fields that a request carries: as JSON, or as a form, of either kind."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from python_multipart.multipart import parse_options_header

from arcsecond.sandbox.answers import RefusedError
from arcsecond.sandbox.forms import fill, new_form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcsecond.sandbox.exchange import Exchange

_LISTS = frozenset({"tags"})
"""Fields that a form may repeat; of any other one the last counts."""


def is_multipart(exchange: Exchange) -> bool:
    """Tell whether the body is announced as a form that may hold a file."""
    return _kind(exchange) == "multipart/form-data"


async def read_fields(exchange: Exchange) -> dict[str, Any]:
    """Return the fields of the body; raises RefusedError for a body that cannot be read."""
    kind = _kind(exchange)
    if kind == "multipart/form-data":
        with new_form(exchange) as form:
            await fill(form, exchange)
            return last_values(form.fields)
    if kind == "application/x-www-form-urlencoded":
        body = await exchange.body()
        if not body.lstrip().startswith(b"{"):  # JSON whose sender left the type to its library
            fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
            return last_values(fields)
        return exchange.as_json(body)
    body = await exchange.body()
    if body and kind not in ("", "application/json"):
        words = f'Unsupported media type "{kind}" in request.'
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
    return exchange.as_json(body)


def last_values(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the fields of a form, as Django reads them."""
    return {
        name: list(values) if name in _LISTS and len(values) > 1 else values[-1]
        for name, values in fields.items()
    }


def _kind(exchange: Exchange) -> str:
    kind, _ = parse_options_header(exchange.header(b"content-type"))
    return kind.decode("latin-1").lower()
