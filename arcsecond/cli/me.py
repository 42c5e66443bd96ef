"""`arcsecond me`: the profile of the account whose key is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arcsecond.cli import output
from arcsecond.cli.options import api_option, asked, json_option, verbose_option

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@api_option
@json_option
@verbose_option
def me() -> None:
    """Show the profile of the account."""
    from arcsecond.account import profile
    from arcsecond.cli.remedies import login_named

    config = asked().config()
    with login_named(config):
        found = profile(config, asked().trace())
    if asked().as_json:
        output.as_json(found)
        return
    shown = {
        "username": found.get("username"),
        "name": " ".join(str(found[n]) for n in ("first_name", "last_name") if found.get(n)),
        "e-mail": found.get("email"),
        "portals": ", ".join(_portals(found)),
        "server": f"{config.api_server} ({config.api_name})",
        "keys": " and ".join(
            name
            for name, key in (("upload", config.upload_key), ("access", config.access_key))
            if key
        ),
    }
    output.record({name: words for name, words in shown.items() if words})


def _portals(found: Mapping[str, Any]) -> list[str]:
    """Return each portal with the role in it; what is not understood is left out."""
    memberships = found.get("memberships")
    portals = []
    for membership in memberships if isinstance(memberships, list) else []:
        organisation = membership.get("organisation") if isinstance(membership, dict) else None
        if isinstance(organisation, dict) and organisation.get("subdomain"):
            portals.append(f"{organisation['subdomain']} ({membership.get('role') or 'member'})")
    return portals
