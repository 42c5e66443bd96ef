"""Who is asking and what they may do: keys, portals, roles, and the views that tell of them."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from arcsecond.sandbox.answers import NOT_FOUND, REQUIRED, RefusedError, json_answer
from arcsecond.sandbox.bodies import read_fields
from arcsecond.sandbox.pages import listing
from arcsecond.sandbox.routes import NOTHING, Route
from arcsecond.sandbox.values import PERSONAL

if TYPE_CHECKING:
    from arcsecond.sandbox.exchange import Exchange, Key
    from arcsecond.sandbox.values import Account

ROLES = ("guest", "member", "admin", "superadmin", "owner")
"""What a role may, those before it may not all; a server has either of the last two."""
_FORBIDDEN = "You do not have permission to perform this action."


def check_rights(exchange: Exchange, key: Key, route: Route) -> None:
    """Refuse what this key, or this role in the portal, may not do; raises RefusedError."""
    if key.is_upload_key and exchange.verb not in route.upload_key:
        raise RefusedError(HTTPStatus.FORBIDDEN, _FORBIDDEN)
    if exchange.portal == PERSONAL:
        return
    if exchange.store.object("organisations", PERSONAL, exchange.portal) is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    role = role_in(exchange, key.account, exchange.portal)
    needed = {"GET": "guest", "DELETE": "admin"}.get(exchange.verb, route.writer)
    if role is None or ROLES.index(role) < ROLES.index(needed):
        raise RefusedError(HTTPStatus.FORBIDDEN, _FORBIDDEN)


def role_in(exchange: Exchange, account: Account, portal: str) -> str | None:
    """Return the role of an account in a portal, or None."""
    found = exchange.store.memberships(username=account.username, portal=portal)
    return str(found[0]["role"]) if found else None


async def root(_: Exchange) -> Response:
    """Say that the server is there."""
    return json_answer({"name": "arcsecond sandbox"})


async def verify_key(exchange: Exchange) -> Response:
    """Answer whether a username and a key belong together; not which kind of key it is."""
    await _verified(exchange, ("username", "key"))
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def verify_key_in_portal(exchange: Exchange) -> Response:
    """Answer whether a username and a key belong together, and to a portal."""
    account, asked = await _verified(exchange, ("username", "key", "organisation"))
    portal = asked["organisation"]
    if exchange.store.object("organisations", PERSONAL, portal) is None:
        raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    if role_in(exchange, account, portal) is None:
        raise RefusedError(HTTPStatus.FORBIDDEN, _FORBIDDEN)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def make_token(exchange: Exchange) -> Response:
    """Log in as the web site does, and clients before 3.0: the password is the access key."""
    asked = await read_fields(exchange)
    missing = {name: [REQUIRED] for name in ("username", "password") if not asked.get(name)}
    if missing:
        raise RefusedError(HTTPStatus.BAD_REQUEST, missing)
    for account in exchange.store.accounts():
        if str(asked["username"]) in (account.username, account.email) and hmac.compare_digest(
            str(asked["password"]).encode(), account.access_key.encode()
        ):
            return json_answer({"token": token_of(account)})
    words = "Unable to log in with provided credentials."
    raise RefusedError(HTTPStatus.BAD_REQUEST, {"non_field_errors": [words]})


def token_of(account: Account) -> str:
    """Return what `Authorization: Token …` holds for an account: as long valid as its access key."""
    return hmac.new(account.access_key.encode(), b"token", "sha1").hexdigest()


async def _verified(exchange: Exchange, needed: tuple[str, ...]) -> tuple[Account, dict[str, str]]:
    asked = await read_fields(exchange)
    missing = {
        name: [REQUIRED]
        for name in needed
        if not isinstance(asked.get(name), str) or not asked[name]
    }
    if missing:
        raise RefusedError(HTTPStatus.BAD_REQUEST, missing)
    for account in exchange.store.accounts():
        keys = (account.upload_key, account.access_key)
        if asked["username"] in (account.username, account.email) and any(
            hmac.compare_digest(asked["key"].encode(), key.encode()) for key in keys
        ):
            return account, {name: asked[name] for name in needed}
    raise RefusedError(HTTPStatus.UNAUTHORIZED, "Invalid username or key.")


async def list_profiles(exchange: Exchange) -> Response:
    """List the profiles that there are."""
    return listing(exchange, [_profile(exchange, one) for one in exchange.store.accounts()])


async def read_profile(exchange: Exchange, username: str) -> Response:
    """Show a profile with its memberships."""
    return json_answer(_profile(exchange, find_account(exchange, username)))


async def read_access_key(exchange: Exchange, username: str) -> Response:
    """Show the access key."""
    return json_answer({"api_key": _own(exchange, username).access_key})


async def read_upload_key(exchange: Exchange, username: str) -> Response:
    """Show the upload key."""
    return json_answer({"upload_key": _own(exchange, username).upload_key})


def find_account(exchange: Exchange, username: str) -> Account:
    """Return an account; raises RefusedError where there is none of that name."""
    for account in exchange.store.accounts():
        if account.username == username:
            return account
    raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)


def _own(exchange: Exchange, username: str) -> Account:
    account = find_account(exchange, username)
    if exchange.key is None or exchange.key.account.username != username:
        raise RefusedError(HTTPStatus.FORBIDDEN, _FORBIDDEN)
    return account


def _profile(exchange: Exchange, account: Account) -> dict[str, Any]:
    memberships = exchange.store.memberships(username=account.username)
    return {
        "pk": 1,
        "username": account.username,
        "email": account.email,
        **account.profile,
        "memberships": [
            {
                "pk": one["pk"],
                "role": one["role"],
                "date_joined": one["joined"],
                "organisation": exchange.store.object("organisations", PERSONAL, one["portal"]),
            }
            for one in memberships
        ],
    }


ROUTES = (
    Route("/", {"GET": root}, open=True),
    Route("/auth/token/", {"POST": make_token}, open=True),
    Route("/auth/key/verify/", {"POST": verify_key}, open=True),
    Route("/auth/key/verify-organisation/", {"POST": verify_key_in_portal}, open=True),
    Route("/profiles/", {"GET": list_profiles}),
    Route("/profiles/{}/", {"GET": read_profile}),
    Route("/profiles/{}/apikey/", {"GET": read_access_key}, upload_key=NOTHING),
    Route("/profiles/{}/uploadkey/", {"GET": read_upload_key}, upload_key=NOTHING),
)
