"""Who is in a portal, with which role: listed by members, changed by admins."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from arcsecond.sandbox.accounts import ROLES, find_account
from arcsecond.sandbox.answers import NOT_FOUND, REQUIRED, RefusedError, json_answer
from arcsecond.sandbox.bodies import read_fields
from arcsecond.sandbox.pages import listing
from arcsecond.sandbox.routes import NOTHING, Route
from arcsecond.sandbox.values import PERSONAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcsecond.sandbox.exchange import Exchange

Membership = dict[str, Any]


async def list_members(exchange: Exchange) -> Response:
    """List who is in the portal."""
    members = exchange.store.memberships(portal=exchange.portal)
    return listing(exchange, [_show(exchange, member) for member in members])


async def add_member(exchange: Exchange) -> Response:
    """Give a user, who must be known here, a role in the portal."""
    asked = await read_fields(exchange)
    username = asked.get("username")
    if not username:
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"username": [REQUIRED]})
    if username not in [account.username for account in exchange.store.accounts()]:
        words = f"Object with username={username} does not exist."
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"username": [words]})
    if exchange.store.memberships(username=username, portal=exchange.portal):
        words = f"{username} is a member already."
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"username": [words]})
    exchange.store.set_role(username, exchange.portal, _role(asked, default="member"))
    (member,) = exchange.store.memberships(username=username, portal=exchange.portal)
    return json_answer(_show(exchange, member), HTTPStatus.CREATED)


async def read_member(exchange: Exchange, pk: str) -> Response:
    """Show one membership of the portal."""
    return json_answer(_show(exchange, _find(exchange, pk)))


async def update_member(exchange: Exchange, pk: str) -> Response:
    """Change the role of a member."""
    _find(exchange, pk)
    asked = await read_fields(exchange)
    member = _find(exchange, pk)
    role = _role(asked, default=member["role"])
    exchange.store.set_role(member["username"], exchange.portal, role)
    return json_answer(_show(exchange, _find(exchange, pk)))


async def remove_member(exchange: Exchange, pk: str) -> Response:
    """End a membership."""
    exchange.store.set_role(_find(exchange, pk)["username"], exchange.portal, None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _role(asked: Mapping[str, Any], *, default: str) -> str:
    role = asked.get("role", default)
    if role not in ROLES:
        raise RefusedError(HTTPStatus.BAD_REQUEST, {"role": [f'"{role}" is not a valid choice.']})
    return str(role)


def _find(exchange: Exchange, pk: str) -> Membership:
    for member in exchange.store.memberships(portal=exchange.portal):
        if str(member["pk"]) == pk:
            return member
    raise RefusedError(HTTPStatus.NOT_FOUND, NOT_FOUND)


def _show(exchange: Exchange, member: Membership) -> dict[str, Any]:
    account = find_account(exchange, member["username"])
    return {
        "pk": member["pk"],
        "role": member["role"],
        "date_joined": member["joined"],
        "organisation": exchange.store.object("organisations", PERSONAL, member["portal"]),
        "username": account.username,
        "email": account.email,
        "first_name": account.profile.get("first_name", ""),
        "last_name": account.profile.get("last_name", ""),
        "title": "",
        "avatar": None,
        "is_payer": False,
    }


ROUTES = (
    Route(
        "/members/",
        {"GET": list_members, "POST": add_member},
        personal=False,
        portal=True,
        upload_key=NOTHING,
        writer="admin",
    ),
    Route(
        "/members/{}/",
        {
            "GET": read_member,
            "PUT": update_member,
            "PATCH": update_member,
            "DELETE": remove_member,
        },
        personal=False,
        portal=True,
        upload_key=NOTHING,
        writer="admin",
    ),
)
