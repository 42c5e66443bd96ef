"""Keys, servers, the clock, and where the watches send to: what `oort login` and `oort watch` asked once."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from oort.doctor import remedies
from oort.doctor.case import CONNECT_S, READ_S
from oort.doctor.findings import Answer, Answers, ok, problem, warning
from oort.errors import OortError, RemoteError
from oort.remote.account import account, config_file, known_apis
from oort.remote.checking import check_options
from oort.remote.examining import WORTH_SAYING_S, Cause

if TYPE_CHECKING:
    from pathlib import Path

    from oort.doctor.case import Case
    from oort.remote.examining import ServerLook, ServerTrouble
    from oort.values import Watch

_CLOUD: Final = "cloud"
_WRONG_S: Final = 3600.0
"""A clock that is wrong by more gives files another night, and certificates another date."""


def keys(case: Case) -> Answers:
    """Can the file of keys be read, by us alone?"""
    file = config_file()
    if not file.exists():
        login = _login(case.apis()[0])
        yield problem(f"there is no {file}: nobody has logged in here", login)
        return
    try:
        known = known_apis()
    except OortError as error:
        if os.access(file, os.R_OK):
            yield problem(error.message, remedies.edit(error, file))
        else:
            yield problem(error.message, _give_to_us(file))
        return
    is_open = os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077
    if is_open:
        yield problem(
            f"{file} holds keys, and is open to others on this computer",
            f"chmod 600 {remedies.quoted(file)}",
        )
    elif os.name == "posix" and stat.S_IMODE(file.parent.stat().st_mode) & 0o022:
        yield problem(
            f"others on this computer may put another file in the place of {file}",
            f"chmod go-w {remedies.quoted(file.parent)}",
        )
    else:
        yield ok(f"{file} can be read by its owner alone; servers: {', '.join(known)}")


def _give_to_us(file: Path) -> str:
    mended = "chmod u+r" if remedies.are_ours(file) else "sudo chown $USER"
    return f"{mended} {remedies.quoted(file)}"


def _login(api: str, username: str | None = None) -> str:
    at = "" if api == _CLOUD else f" --api {remedies.quoted(api)}"
    whose = f" --username {remedies.quoted(username)}" if username else ""
    return f"arcsecond login{at}{whose}"


# -- the server -----------------------------------------------------------------------------------


def server(case: Case, api: str) -> Answers:
    """Does the server answer, and is it Arcsecond?"""
    try:
        look = case.server(api)
    except OortError as error:
        words = error.message + (f" ({error.hint})" if error.hint else "")
        yield problem(words, _mend_settings(case, api, error))
        return
    if look.trouble is None:
        yield ok(f"{look.account.server} answers")
    else:
        yield _trouble(look, look.trouble)


def _mend_settings(case: Case, api: str, error: OortError) -> str:
    """Return what mends a server that cannot even be asked: its name, its address, a setting."""
    try:
        account(api)
    except OortError:
        return remedies.told_in(error.hint if "http" in error.message else None) or _register(api)
    bundle = case.settings.ca_bundle
    if bundle is not None and not os.access(bundle, os.R_OK):
        return "oort config set ca_bundle FILE"
    return "oort config set proxy http://HOST:PORT"


def _register(api: str, url: str = "URL") -> str:
    return f"arcsecond api add {remedies.quoted(api)} {url}"


def _trouble(look: ServerLook, trouble: ServerTrouble) -> Answer:
    words = trouble.words + (f". {trouble.hint}" if trouble.hint else "")
    if trouble.cause is Cause.BUSY:
        return warning(f"{words}; it is asked again by itself", "oort status --live")
    return problem(words, _way_out(look, trouble))


def _way_out(look: ServerLook, trouble: ServerTrouble) -> str:
    api, url = look.account.api, look.account.server
    is_cloud = api == _CLOUD
    match trouble.cause:
        case Cause.PROXY | Cause.NO_WAY_OUT | Cause.SETTINGS:
            return "oort config set proxy http://HOST:PORT"
        case Cause.CLOCK:
            return remedies.SET_CLOCK
        case Cause.CERTIFICATE:
            return "oort config set ca_bundle FILE"
        case Cause.REDIRECT if trouble.leads_to and not is_cloud:
            return _register(api, remedies.quoted(trouble.leads_to))
        case Cause.PAGE | Cause.REDIRECT if is_cloud or trouble.cause is Cause.PAGE:
            # Whoever runs this network wants to see a browser first.
            return f"python3 -m webbrowser {remedies.quoted(url)}"
        case _:
            host = urlsplit(url).hostname or url
            return f"ping -c 3 {remedies.quoted(host)}" if is_cloud else _register(api)


# -- the key --------------------------------------------------------------------------------------


def key(case: Case, api: str) -> Answers:
    """Is a key stored, of the user that the watches name, and does the server take it?"""
    try:
        look = case.server(api)
    except OortError as error:
        yield problem(f"no key can be had: {error.message}", _login(api))
        return
    stored = look.account
    whose = f"the key of {stored.username}" if stored.username else "the key"
    if not stored.has_upload_right:
        yield problem(f"no key is stored for {stored.server}: nothing is sent there", _login(api))
        return
    strange = [watch for watch in case.watches if _is_for_another(watch, look)]
    for watch in strange:
        yield problem(
            f'the watch "{watch.name}" sends for {watch.username}, and the stored key is '
            f"{stored.username}'s: it is held",
            _login(api, watch.username),
        )
    if look.key_refused is not None:
        yield problem(
            f"{stored.server} refuses {whose}: {look.key_refused}", _login(api, stored.username)
        )
    elif not strange:
        asked = "is accepted" if look.trouble is None else "is stored, and could not be tried"
        yield ok(f"{whose} {asked}")


def _is_for_another(watch: Watch, look: ServerLook) -> bool:
    stored = look.account
    return watch.api == stored.api and watch.username not in (None, stored.username)


def clock(case: Case) -> Answers:
    """Is this computer's clock right, by the servers' own?"""
    told = [look for api in case.apis() if (look := _look(case, api)) and look.ahead_s is not None]
    # A server on this machine has the same clock, right or wrong.
    told.sort(key=lambda look: urlsplit(look.account.server).hostname in ("127.0.0.1", "localhost"))
    if not told:
        yield ok("no server told the time: this computer's clock is not compared")
        return
    look = told[0]
    ahead_s, host = look.ahead_s or 0.0, urlsplit(look.account.server).netloc
    if abs(ahead_s) <= WORTH_SAYING_S:
        yield ok(f"this computer's clock is that of {host}, within a minute")
        return
    words = (
        f"this computer's clock is {_duration(abs(ahead_s))} "
        f"{'ahead of' if ahead_s > 0 else 'behind'} that of {host}"
    )
    if abs(ahead_s) > _WRONG_S:
        yield problem(f"{words}: nights and certificates go by it", remedies.SET_CLOCK)
    else:
        yield warning(words, remedies.SET_CLOCK)


def _look(case: Case, api: str) -> ServerLook | None:
    try:
        return case.server(api)
    except OortError:
        return None


def _duration(seconds: float) -> str:
    for unit, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"


# -- where the watches send to --------------------------------------------------------------------


def target(case: Case, name: str) -> Answers:
    """Are portal, role, telescope and dataset of a watch there?"""
    watch = case.watch(name)
    look = _look(case, watch.api)
    if look is None or not look.may_be_asked:
        return  # what stands in the way is told by the checks of server and key
    try:
        wrong = check_options(
            watch.api,
            dataset=watch.dataset,
            telescope=watch.telescope,
            portal=watch.portal,
            connect_timeout_s=CONNECT_S,
            read_timeout_s=READ_S,
            proxy=case.settings.proxy,
            ca_bundle=case.settings.ca_bundle,
            trace=case.trace,
        )
    except RemoteError as error:
        yield warning(f"the server could not be asked: {error.message}", "oort doctor -v")
        return
    for option, trouble in wrong.items():
        words = trouble.message + (f" ({trouble.hint})" if trouble.hint else "")
        yield problem(words, _other(watch, option))
    if not wrong:
        yield ok(f"{_where(watch)} at {watch.api}: nothing is in the way")


def _other(watch: Watch, option: str) -> str:
    typed = {"portal": "-p PORTAL", "telescope": "-t TELESCOPE", "dataset": "-d DATASET"}
    return remedies.change_watch(watch.path, typed[option])


def _where(watch: Watch) -> str:
    telescope = f", telescope {watch.telescope}" if watch.telescope else ""
    portal = f" of the portal {watch.portal}" if watch.portal else ""
    return f"dataset {watch.dataset}{portal}{telescope}"
