"""config.ini: the API servers that are known here, and the keys for them.

One section an API: `api_server`, `username`, `upload_key`, `access_key`; `api` in the section `cli`
names the one that is used when nothing else is said. The file is shared with the published clients:
what they wrote is read, also under the names of the older ones (`[main]` for the cloud, `api_key`
for the access key), and sections, entries and comments that are not known here stay as they are.
The file is 0600 in a 0700 folder, and replaced as a whole. Reading creates nothing.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from arcsecond.errors import ConfigError, InputError
from arcsecond.ini import IniText, NoIniError
from arcsecond.private_file import (
    alone_in,
    close_file,
    close_folder,
    holds_only,
    remove_leftovers,
    replace,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CLOUD = "cloud"
CLOUD_URL = "https://api.arcsecond.io"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(r"[\x21-\x7e]{1,1024}")
_SERVER = "api_server"
_OURS, _POINTER = "cli", "api"
_OLD_CLOUD = "main"
_RESERVED = (_OURS, "DEFAULT")
"""Sections that are no API servers: the command's own settings, and configparser's defaults."""
_OF_THE_USER = re.compile(r"username|(upload|access|api)_key|shared(:.*)?|membership__.*")
"""The entries that go when the user does: the published clients keep more of them than this one."""
_MEND = "Mend that line, or remove the file and log in again with `arcsecond login`."


class Secret:
    """A key, held so that no repr, format, log line or traceback shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key itself: for the one header that carries it, and for config.ini."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")


class KeyType(StrEnum):
    """What a key may do: send data files, or everything its account may."""

    UPLOAD = "upload"
    ACCESS = "access"

    @property
    def entries(self) -> tuple[str, ...]:
        """Its entry in config.ini, and what earlier releases called it."""
        return ("upload_key",) if self is KeyType.UPLOAD else ("access_key", "api_key")


@dataclass(frozen=True, slots=True)
class Api:
    """An API server that is known here."""

    name: str
    url: str
    chosen: bool


def config_folder() -> Path:
    """Return the folder of config.ini: `ARCSECOND_CONFIG_DIR`, or `~/.config/arcsecond`."""
    override = os.environ.get("ARCSECOND_CONFIG_DIR", "").strip()
    return Path(override).expanduser() if override else _usual_folder()


def _usual_folder() -> Path:
    return Path.home() / ".config" / "arcsecond"


def config_file() -> Path:
    """Return where the servers and keys are kept; it need not exist."""
    return config_folder() / "config.ini"


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name or address is this very machine."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str, *, allow_http: bool = False) -> str:
    """Return an API server's address without its trailing slash.

    Raises InputError for what is no http(s) URL, for one with a user, a query or a fragment, and
    for plain http to another machine unless `allow_http`: the key would cross the network in clear.
    """
    url = url.strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError:  # a UnicodeError is one
        raise InputError("the API address is no valid URL") from None
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in url or "#" in url:
        raise InputError("an API address has no user, query or fragment")
    if parts.scheme.lower() not in ("http", "https") or not host or port == 0:
        raise InputError(
            f"{url!r} is no http or https URL", hint="Write it as https://host[:port]."
        )
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise InputError("an API address has no blanks, control characters or backslashes")
    if parts.scheme.lower() == "http" and not (allow_http or is_loopback(host)):
        raise InputError(
            f"{url} is plain http: the key would cross the network in clear",
            hint="Use https, or --allow-http if that network can be trusted.",
        )
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def check_key(key: str) -> Secret:
    """Return a typed key without surrounding blanks; raises InputError when it cannot be one."""
    key = key.strip()
    if not _KEY.fullmatch(key):
        raise InputError("that is no key: a key is one word of letters, digits and signs")
    return Secret(key)


class ArcsecondConfig:
    """One API server and what is stored for it, as config.ini said when this was made.

    Without a name it is the one that `ARCSECOND_API` names, else the chosen one, else `cloud`.
    Raises ConfigError for a name that is not known and for a file that cannot be read.
    """

    def __init__(self, api_name: str | None = None) -> None:
        ini = _read()
        from_environment = "" if api_name else os.environ.get("ARCSECOND_API", "").strip()
        self.api_name: str = api_name or from_environment or _chosen(ini)
        if not _is_api(ini, self.api_name):
            named_by = ""
            if not api_name:
                place = "ARCSECOND_API" if from_environment else f"[{_OURS}] in {config_file()}"
                named_by = f" (named by {place})"
            raise ConfigError(
                f"no API server is known as {self.api_name!r}{named_by}",
                hint="List them with `arcsecond api`, add it with `arcsecond api add NAME URL`,"
                " or choose another with `arcsecond api use NAME`.",
            )
        self.api_server: str = _url(ini, self.api_name)
        self.allow_http: bool = _yes(ini, self.api_name, "allow_http")
        home = _home(ini, self.api_name)
        self.username: str | None = ini.get(home, "username")
        self._keys = {
            key_type: Secret(text)
            for key_type in KeyType
            if (text := _key_text(ini, home, key_type))
        }

    @property
    def upload_key(self) -> Secret | None:
        """The key that may send data files; raises ConfigError when what is stored is no key."""
        return self._key(KeyType.UPLOAD)

    @property
    def access_key(self) -> Secret | None:
        """The key that may do all; raises ConfigError when what is stored is no key."""
        return self._key(KeyType.ACCESS)

    def key_for(self, *, uploads: bool) -> Secret | None:
        """Return the key to use: for uploads the one that may do least, else the access key."""
        if uploads:
            return self.upload_key or self.access_key
        return self.access_key or self.upload_key

    def login_command(self, *, uploads: bool) -> str:
        """Return the command that stores a key in the place of the one that `key_for` returns.

        The type matters: of two stored keys a login of the other one would mend nothing.
        """
        api = "" if self.api_name == CLOUD else f" --api {self.api_name}"
        is_access = self.access_key is not None and not (uploads and self.upload_key)
        return f"arcsecond login{api}{' --type access' if is_access else ''}"

    def _key(self, key_type: KeyType) -> Secret | None:
        key = self._keys.get(key_type)
        try:
            return check_key(key.reveal()) if key else None
        except InputError:
            raise ConfigError(
                f"{config_file()}: [{self.api_name}]: {key_type.entries[0]} is no key",
                hint="Store it again with `arcsecond login`.",
            ) from None

    def __repr__(self) -> str:
        return f"ArcsecondConfig(api_name={self.api_name!r}, api_server={self.api_server!r})"


def list_apis() -> list[Api]:
    """Return the known API servers, `cloud` first."""
    ini = _read()
    chosen = _chosen(ini)
    names = [CLOUD, *(n for n in ini.sections() if n != CLOUD and _is_api(ini, n))]
    # As it is written: an address that cannot be used is seen here, and does not hide the others.
    return [
        Api(name, CLOUD_URL if name == CLOUD else str(ini.get(name, _SERVER)), name == chosen)
        for name in names
    ]


def add_api(name: str, url: str, *, allow_http: bool = False) -> Api:
    """Register an API server, or change the address of one.

    Keys stored for another address are dropped: they were given to that server, not to this one.
    Raises InputError for a name or an address that cannot be used.
    """
    if name == CLOUD:
        raise InputError(
            f"cloud is {CLOUD_URL} and cannot be changed", hint="Choose another name for it."
        )
    if name in _RESERVED:
        raise InputError(
            f"{name} is what config.ini calls a section of its own", hint="Choose another name."
        )
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no API name: use letters, digits, '-', '_' and '.'")
    url = check_url(url, allow_http=allow_http)
    with _editing() as ini:
        known = ini.get(name, _SERVER)
        if known is not None and _in_one_form(known) != url:
            _forget(ini, name)
        ini.set(name, _SERVER, url)
        if url.startswith("http://") and not is_loopback(urlsplit(url).hostname):
            ini.set(name, "allow_http", "yes")
        else:
            ini.remove(name, "allow_http")
        return Api(name, url, name == _chosen(ini))


def use_api(name: str) -> Api:
    """Choose the API server that is used when nothing else is said."""
    with _editing() as ini:
        _must_be_known(ini, name)
        ini.set(_OURS, _POINTER, name)
        return Api(name, _url(ini, name), chosen=True)


def remove_api(name: str) -> None:
    """Forget an API server and the keys for it."""
    if name == CLOUD:
        raise InputError("cloud cannot be removed", hint="`arcsecond logout` forgets its keys.")
    with _editing() as ini:
        _must_be_known(ini, name)
        ini.remove_section(name)
        if ini.get(_OURS, _POINTER) == name:
            ini.remove(_OURS, _POINTER)


def store_key(api_name: str, *, username: str, key_type: KeyType, key: Secret) -> None:
    """Keep a verified key; one user's two keys are kept side by side, another user's are dropped.

    A login with the key that is there already is news too: the server takes it now, and a daemon
    that it was refused to tries again at once.
    """
    with _editing(is_news=True) as ini:
        _must_be_known(ini, api_name)
        _adopt(ini, _home(ini, api_name), api_name)
        if ini.get(api_name, "username") != username:
            _forget(ini, api_name)
        ini.set(api_name, "username", username)
        for entry in key_type.entries[1:]:
            ini.remove(api_name, entry)
        ini.set(api_name, key_type.entries[0], key.reveal())


def drop_keys(api_name: str) -> bool:
    """Forget the keys for an API server, not the server; tell whether there were any."""
    with _editing() as ini:
        _must_be_known(ini, api_name)
        sections = [api_name]
        if api_name == CLOUD and _is_old_cloud(ini):
            sections.append(_OLD_CLOUD)
        had = any(_has_key(ini, section) for section in sections)
        for section in sections:
            _forget(ini, section)
        return had


def mend_modes() -> None:
    """Close config.ini and its folder to others, with a warning, where they are open.

    A folder of `ARCSECOND_CONFIG_DIR` that holds other things too is somebody's for another
    purpose, and stays as it is.
    """
    folder = config_folder()
    is_ours = holds_only(folder, config_file().name) and folder != Path.home()
    if is_ours or folder == _usual_folder():
        close_folder(folder)
    close_file(_real_path())


def _must_be_known(ini: IniText, name: str) -> None:
    if not _is_api(ini, name):
        raise InputError(
            f"no API server is known as {name!r}", hint="List them with `arcsecond api`."
        )


def _is_api(ini: IniText, name: str) -> bool:
    return name == CLOUD or (name not in _RESERVED and ini.get(name, _SERVER) is not None)


def _chosen(ini: IniText) -> str:
    return ini.get(_OURS, _POINTER) or CLOUD


def _url(ini: IniText, name: str) -> str:
    if name == CLOUD:  # whatever the file says: its keys go nowhere else
        return CLOUD_URL
    url = ini.get(name, _SERVER) or ""
    try:
        return check_url(url, allow_http=_yes(ini, name, "allow_http"))
    except InputError as error:
        hint = error.hint
        if url.lower().startswith("http:"):
            hint = f"If that network can be trusted: `arcsecond api {name} {url} --allow-http`."
        raise ConfigError(f"{config_file()}: [{name}]: {error.message}", hint=hint) from None


def _in_one_form(url: str) -> str:
    try:
        return check_url(url, allow_http=True)
    except InputError:
        return url


def _key_text(ini: IniText, section: str, key_type: KeyType) -> str | None:
    return next((text for entry in key_type.entries if (text := ini.get(section, entry))), None)


def _yes(ini: IniText, section: str, entry: str) -> bool:
    return (ini.get(section, entry) or "").lower() in ("yes", "true", "on", "1")


def _forget(ini: IniText, section: str) -> None:
    for entry in _of_the_user(ini, section):
        ini.remove(section, entry)


def _of_the_user(ini: IniText, section: str) -> list[str]:
    return [entry for entry in ini.entries(section) if _OF_THE_USER.fullmatch(entry.lower())]


def _home(ini: IniText, api_name: str) -> str:
    """Return the section with the keys for an API: the cloud's may be in an older client's."""
    if api_name == CLOUD and not _has_key(ini, CLOUD) and _is_old_cloud(ini):
        return _OLD_CLOUD
    return api_name


def _is_old_cloud(ini: IniText) -> bool:
    """Tell whether `[main]` is the cloud, or nothing: it could be given another address."""
    return _in_one_form(ini.get(_OLD_CLOUD, _SERVER) or CLOUD_URL) == CLOUD_URL


def _has_key(ini: IniText, section: str) -> bool:
    return any(_key_text(ini, section, key_type) for key_type in KeyType)


def _adopt(ini: IniText, old: str, section: str) -> None:
    """Copy the user and the keys of an older client's section, which stays as it is."""
    if old != section:
        for entry in _of_the_user(ini, old):
            ini.set(section, entry, ini.get(old, entry) or "")


def _read() -> IniText:
    path = config_file()
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        return IniText("")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {line}: this is no UTF-8 text", hint=_MEND) from None
    try:
        return IniText(text.replace("\r\n", "\n"))
    except NoIniError as error:
        raise ConfigError(
            f"{path}, line {error.line}: this is neither [section] nor entry = value",
            hint=_MEND,
        ) from None


@contextmanager
def _editing(*, is_news: bool = False) -> Iterator[IniText]:
    """Give the file's text to be changed, and put the changed one in its place.

    One process at a time: a second login does not undo the first. Nothing is written when the
    block raises, or changes nothing, unless it `is_news` all the same: who watches the file sees
    that it is another one.
    """
    path = _real_path()
    with alone_in(path.parent) as is_alone:
        ini = _read()
        before = str(ini)
        yield ini
        if str(ini) == before and not is_news:
            return
        try:
            config_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
            mend_modes()
            if is_alone:
                remove_leftovers(path.parent)
            replace(path, str(ini))
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _real_path() -> Path:
    # A file that is a link elsewhere stays one: what it points at is replaced.
    return Path(os.path.realpath(config_file()))
