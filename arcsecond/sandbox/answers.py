"""Answers in the shapes of the real server: JSON, errors by field, Django's and a proxy's HTML."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.sandbox.faults import Instead

NOT_FOUND = "Not found."
REQUIRED = "This field is required."


class RefusedError(Exception):
    """A request that ends in an error answer; `body` is what the answer's JSON holds."""

    def __init__(
        self,
        http_status: int,
        body: Mapping[str, Any] | str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.http_status = http_status
        self.headers = headers
        self.body: Mapping[str, Any] = {"detail": body} if isinstance(body, str) else body
        super().__init__(f"{http_status} {self.body}")

    def answer(self) -> Response:
        """Return the answer."""
        answer = json_answer(self.body, self.http_status)
        answer.headers.update(self.headers or {})
        return answer


def json_answer(body: Any, http_status: int = HTTPStatus.OK) -> Response:
    """Return `body` as JSON."""
    return Response(to_json(body), status_code=http_status, media_type="application/json")


def to_json(body: Any) -> bytes:
    """Return `body` as compact UTF-8 JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def page(http_status: int) -> Response:
    """Return the HTML page that Django, or a proxy, shows for a status."""
    words = phrase(http_status)
    return HTMLResponse(
        f"<!doctype html>\n<html lang=en><head><title>{http_status} {words}</title></head>"
        f"<body><h1>{words}</h1></body></html>\n",
        status_code=http_status,
    )


def instead(given: Instead) -> Response:
    """Return the answer that a rule gives in place of the real one."""
    if given.body is None and "html" in (given.content_type or ""):
        answer = page(given.status)
    elif given.body is None:
        answer = json_answer({"detail": f"{phrase(given.status)}."}, given.status)
    elif isinstance(given.body, str):
        answer = HTMLResponse(given.body, given.status)
    else:
        answer = json_answer(given.body, given.status)
    if given.content_type:
        answer.headers["content-type"] = given.content_type
    return answer


def phrase(http_status: int) -> str:
    """Return the words of an HTTP status."""
    try:
        return HTTPStatus(http_status).phrase
    except ValueError:
        return "Unknown"
