"""The fault switchboard: rules and records over HTTP, below `/_faults/`, only with `--faults`.

It asks for no key, so it takes only what no web page can send by itself: a loopback Host, and
JSON or DELETE, which a browser would announce with a question that nobody answers.
"""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from arcsecond.sandbox.accounts import ROLES
from arcsecond.sandbox.answers import NOT_FOUND, RefusedError, json_answer
from arcsecond.sandbox.faults import RuleError
from arcsecond.sandbox.space import add_portal

if TYPE_CHECKING:
    from arcsecond.sandbox.app import SandboxApp
    from arcsecond.sandbox.exchange import Exchange

PREFIX = "/_faults/"
_LOOPBACK = ("127.0.0.1", "localhost")


async def answer(app: SandboxApp, exchange: Exchange) -> Response:
    """Answer a request of the switchboard."""
    try:
        _check_source(exchange)
        asked = await exchange.json()
        what = exchange.path.removeprefix(PREFIX).strip("/")
        if exchange.method == "DELETE" and what.isdigit():
            return await _remove(app, int(what))
        return await _VIEWS.get((exchange.method, what), _unknown)(app, exchange, asked)
    except RefusedError as refused:
        return refused.answer()


async def _unknown(_: SandboxApp, __: Exchange, ___: dict[str, Any]) -> Response:
    raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)


async def _remove(app: SandboxApp, rule: int) -> Response:
    if not app.rules.remove(rule):
        raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _check_source(exchange: Exchange) -> None:
    host = exchange.header(b"host").rpartition(":")[0] or exchange.header(b"host")
    if host not in _LOOPBACK:
        raise RefusedError(HTTPStatus.FORBIDDEN, "The switchboard is for this machine only.")
    kind = exchange.header(b"content-type").partition(";")[0].strip()
    if exchange.method == "POST" and kind != "application/json":
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON.")


async def _show(app: SandboxApp, _: Exchange, __: dict[str, Any]) -> Response:
    return json_answer(
        {
            "rules": app.rules.as_json(),
            "requests": app.requests[-1].id if app.requests else 0,
            "listening": app.listener is None or app.listener.is_listening,
        }
    )


async def _add(app: SandboxApp, exchange: Exchange, asked: dict[str, Any]) -> Response:
    if asked.get("refuse"):
        return await _refuse(app, exchange, asked)
    try:
        rule = app.rules.add(asked)
    except RuleError as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, str(error)) from error
    return json_answer({"id": rule.id}, HTTPStatus.CREATED)


async def _refuse(app: SandboxApp, exchange: Exchange, asked: dict[str, Any]) -> Response:
    """Stop listening; the connection that asked stays."""
    for_s, cut = asked.get("for_s"), asked.get("cut", False)
    unknown = set(asked) - {"refuse", "for_s", "cut"}
    if unknown or not isinstance(for_s, int | float) or for_s < 0 or not isinstance(cut, bool):
        words = "refuse takes for_s, a number of seconds, and cut, true or false; nothing else"
        raise RefusedError(HTTPStatus.BAD_REQUEST, words)
    if app.listener is None:
        raise RefusedError(HTTPStatus.CONFLICT, "There is no listening socket to close.")
    await app.listener.refuse(for_s, cut=cut, spare=exchange.transport)
    return json_answer({"id": app.rules.next_id()}, HTTPStatus.CREATED)


async def _clear(app: SandboxApp, _: Exchange, __: dict[str, Any]) -> Response:
    app.rules.clear()
    if app.listener is not None:
        await app.listener.resume()
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _files(app: SandboxApp, _: Exchange, __: dict[str, Any]) -> Response:
    return json_answer(app.store.every_data_file())


async def _add_files(app: SandboxApp, _: Exchange, asked: dict[str, Any]) -> Response:
    """Make records of data files without bytes: a long listing, or a record that lost its file."""
    dataset = app.store.dataset(None, str(asked.get("dataset")))
    files = asked.get("files")
    if dataset is None or not isinstance(files, list) or not all(map(_is_record, files)):
        words = "dataset: a UUID; files: a list of {name, size, tags}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, words)
    added = [
        app.store.add_data_file(
            dataset.uuid,
            name=file["name"],
            arrived=None,
            size=file["size"] or 0,
            tags=file.get("tags", []),
            is_raw=True,
            body={"size": None} if file["size"] is None else {},
        )
        for file in files
    ]
    return json_answer({"added": len([one for one in added if one])}, HTTPStatus.CREATED)


def _is_record(file: Any) -> bool:
    return (
        isinstance(file, dict)
        and isinstance(file.get("name"), str)
        and isinstance(file.get("size", ""), int | None)
        and isinstance(file.get("tags", []), list)
    )


async def _requests(app: SandboxApp, _: Exchange, __: dict[str, Any]) -> Response:
    return json_answer([asdict(record) for record in app.requests])


async def _forget_requests(app: SandboxApp, _: Exchange, __: dict[str, Any]) -> Response:
    app.requests.clear()
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _renew_key(app: SandboxApp, _: Exchange, asked: dict[str, Any]) -> Response:
    kind = asked.get("kind")
    if kind not in ("upload", "access"):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "kind: upload or access")
    username = app.store.accounts()[0].username
    key = app.store.renew_key(username, upload=kind == "upload")
    app.load_keys()
    return json_answer({f"{kind}_key": key})


async def _add_portal(app: SandboxApp, _: Exchange, asked: dict[str, Any]) -> Response:
    subdomain, role = asked.get("subdomain"), asked.get("role")
    if not isinstance(subdomain, str) or not subdomain.isidentifier():
        raise RefusedError(HTTPStatus.BAD_REQUEST, "subdomain: letters and digits")
    if role is not None and role not in ROLES:
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"role: null, {' or '.join(ROLES)}")
    return json_answer(add_portal(app.store, subdomain, role=role), HTTPStatus.CREATED)


_VIEWS = {
    ("GET", ""): _show,
    ("POST", ""): _add,
    ("DELETE", ""): _clear,
    ("GET", "files"): _files,
    ("POST", "files"): _add_files,
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _forget_requests,
    ("POST", "keys"): _renew_key,
    ("POST", "portals"): _add_portal,
}
