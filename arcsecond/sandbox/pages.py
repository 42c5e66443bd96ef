"""Listings: bare arrays as published clients need them, or pages where the sandbox was told so."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from arcsecond.sandbox.answers import RefusedError, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.responses import Response

    from arcsecond.sandbox.exchange import Exchange


def listing(exchange: Exchange, items: Sequence[Any]) -> Response:
    """Return a listing of objects that are at hand."""
    return long_listing(exchange, len(items), lambda offset, limit: items[offset:][:limit])


def long_listing(
    exchange: Exchange, count: int, fetch: Callable[[int, int], Sequence[Any]]
) -> Response:
    """Return a listing of which `fetch(offset, limit)` reads no more than is needed."""
    if exchange.page_size is None:
        return json_answer(fetch(0, count))
    size = min(_number(exchange, "page_size") or exchange.page_size, exchange.page_size)
    last = max(1, -(-count // size))
    page = last if exchange.query.get("page") == "last" else _number(exchange, "page") or 1
    if page > last:
        raise RefusedError(HTTPStatus.NOT_FOUND, "Invalid page.")
    return json_answer(
        {
            "count": count,
            "next": _link(exchange, page + 1) if page < last else None,
            "previous": _link(exchange, page - 1) if page > 1 else None,
            "results": fetch((page - 1) * size, size),
        }
    )


def _number(exchange: Exchange, name: str) -> int | None:
    """Return a number of the query; raises RefusedError where it is none."""
    text = exchange.query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise RefusedError(HTTPStatus.NOT_FOUND, "Invalid page.")
    return int(text)


def _link(exchange: Exchange, page: int) -> str:
    query = urlencode({**exchange.query, "page": str(page)})
    return exchange.url(f"{exchange.full_path}?{query}")
