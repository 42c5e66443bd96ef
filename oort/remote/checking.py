"""What `oort watch` asks before it adds a watch: may this account send there? Nothing is created."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from oort.errors import RemoteError
from oort.policy.naming import check_template, is_uuid, shorten
from oort.policy.outcome import NotReached, Unauthorised
from oort.remote.client import Remote
from oort.remote.ended import Ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from oort.remote.account import Account
    from oort.remote.reading import RemoteTelescope
    from oort.values import RemoteDataset

BELOW_MEMBER: Final = frozenset({"guest", "visitor", "viewer", "reader", "invited", "pending"})
"""Roles that may look and not upload; a role that is not known here is left to the server."""


@dataclass(frozen=True, slots=True)
class WatchCheck:
    """What the server told of a watch's options."""

    account: Account
    role: str | None = None
    """In the portal, where there is one and the server tells it."""
    telescope: RemoteTelescope | None = None
    dataset: RemoteDataset | None = None
    """None where it is a template, or is not there yet and will be created."""


def check_watch(
    api: str,
    *,
    dataset: str,
    telescope: str | None,
    portal: str | None,
    connect_timeout_s: float = 10.0,
    read_timeout_s: float = 30.0,
    proxy: str | None = None,
    ca_bundle: str | None = None,
    trace: Callable[[str], None] | None = None,
) -> WatchCheck:
    """Check account, portal, telescope and dataset. Raises RemoteError with a remedy, or OortError.

    `trace` gets a line for each question and each answer, never a key.
    """
    remote = Remote(
        api,
        connect_timeout_s=connect_timeout_s,
        read_timeout_s=read_timeout_s,
        proxy=proxy,
        ca_bundle=ca_bundle,
        trace=trace,
    )
    try:
        remote.check_key()
        roles = remote.roles()  # also proves that it is Arcsecond that answers, no hotel's page
        return WatchCheck(
            account=remote.account,
            role=_role(remote, roles, portal),
            telescope=_telescope(remote, telescope, portal),
            dataset=_dataset(remote, dataset, portal),
        )
    except Ended as ended:
        raise RemoteError(str(ended), hint=_remedy(ended, api)) from None
    finally:
        remote.close()


def check_options(
    api: str,
    *,
    dataset: str,
    telescope: str | None,
    portal: str | None,
    connect_timeout_s: float,
    read_timeout_s: float,
    proxy: str | None = None,
    ca_bundle: str | None = None,
    trace: Callable[[str], None] | None = None,
) -> dict[str, RemoteError]:
    """Return what is wrong with each option of a watch: `portal`, `telescope`, `dataset`.

    Telescope and dataset are not looked for where the portal is wrong. Raises RemoteError where
    the server gives no answer to use, or OortError.
    """
    remote = Remote(
        api,
        connect_timeout_s=connect_timeout_s,
        read_timeout_s=read_timeout_s,
        proxy=proxy,
        ca_bundle=ca_bundle,
        trace=trace,
    )
    wrong: dict[str, RemoteError] = {}
    questions: dict[str, Callable[[], object]] = {
        "portal": lambda: _role(remote, remote.roles() if portal else None, portal),
        "telescope": lambda: _telescope(remote, telescope, portal),
        "dataset": lambda: _dataset(remote, dataset, portal),
    }
    try:
        for option, question in questions.items():
            try:
                question()
            except RemoteError as error:
                wrong[option] = error
                if option == "portal":
                    break
    except Ended as ended:
        raise RemoteError(str(ended), hint=_remedy(ended, api)) from None
    finally:
        remote.close()
    return wrong


def _remedy(ended: Ended, api: str) -> str | None:
    match ended.outcome:
        case Unauthorised():
            return f"Log in first: `arcsecond login --api {api}`."
        case NotReached():
            return "Look at the network, or add the watch unchecked with --offline."
        case _:
            return None


def _role(remote: Remote, roles: dict[str, str] | None, portal: str | None) -> str | None:
    if portal is None:
        return None
    if not remote.has_portal(portal):
        raise RemoteError(
            f"there is no portal {portal} at {remote.account.server}",
            hint="A portal is named by its subdomain: the first word of its address.",
        )
    if roles is None:
        return None
    role = roles.get(portal)
    if role is None:
        raise RemoteError(
            f"{remote.account.username} is no member of the portal {portal}",
            hint="Ask an administrator of the portal for a membership.",
        )
    if role in BELOW_MEMBER:
        raise RemoteError(
            f"{remote.account.username} is {role} in the portal {portal}, which may not upload",
            hint="Ask an administrator of the portal for the role of a member.",
        )
    return role


def _telescope(remote: Remote, telescope: str | None, portal: str | None) -> RemoteTelescope | None:
    if telescope is None:
        return None
    found = remote.telescope(telescope, portal)
    if found is None:
        where = f"the portal {portal}" if portal else "your account"
        raise RemoteError(
            f"there is no telescope {telescope} in {where}",
            hint="List them with `arcsecond telescopes`"
            + (f" -p {portal}" if portal else "")
            + "; a telescope is named by its UUID or its alias.",
        )
    return found


def _dataset(remote: Remote, dataset: str, portal: str | None) -> RemoteDataset | None:
    if is_uuid(dataset):
        found = remote.dataset(dataset.strip(), portal)
        if found is None:
            where = f"the portal {portal}" if portal else "your account"
            raise RemoteError(
                f"there is no dataset {dataset} in {where}",
                hint="Personal datasets and those of a portal do not see each other: "
                "look at -p, or give a name instead.",
            )
        return found
    if check_template(dataset):
        return None
    name = shorten(dataset.format())  # braces that are doubled stand for themselves
    named = remote.datasets_named(name, portal)
    if len(named) > 1:
        uuids = ", ".join(one.uuid for one in named)
        raise RemoteError(
            f"{len(named)} datasets are named {name}: {uuids}",
            hint="Give the UUID of the one that is meant.",
        )
    return named[0] if named else None
