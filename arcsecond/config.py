"""config.ini: the API servers that are known here, and the keys for them.

One section an API: `api_server`, `username`, `upload_key`, `access_key`. `[cli] api` names the one
that is used when nothing else is said. The file is shared with the published clients: what they
wrote is read, also under the names of the older ones (`[main]` for the cloud, `api_key` for the
access key), and sections and entries that are not known here stay as they are. The file is 0600 in
a 0700 folder, and replaced as a whole, so that a reader never sees half of it. Reading creates
nothing.
"""

from __future__ import annotations

import configparser
import hmac
import ipaddress
import logging
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from arcsecond.errors import ConfigError, InputError

log = logging.getLogger(__name__)

CLOUD = "cloud"
CLOUD_URL = "https://api.arcsecond.io"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(r"[\x21-\x7e]{1,1024}")
_CHOICE = ("cli", "api")
"""Section and entry that name the chosen server, as arcsecond 4.5 has them."""
_OLD_CLOUD = "main"
"""What oort-cloud and arcsecond up to 3.2 call the cloud."""
_OLD_ACCESS_KEY = "api_key"
_OF_THE_USER = re.compile(r"username|(upload|access|api)_key|shared(:.*)?|membership__.*")
"""The entries that go when the user does: the published clients keep more of them than this one."""


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
    def entry(self) -> str:
        """Its entry in config.ini."""
        return f"{self.value}_key"


@dataclass(frozen=True, slots=True)
class Api:
    """An API server that is known here."""

    name: str
    url: str
    chosen: bool


def config_folder() -> Path:
    """Return the folder of config.ini: `ARCSECOND_CONFIG_DIR`, or `~/.config/arcsecond`."""
    override = os.environ.get("ARCSECOND_CONFIG_DIR")
    return Path(override).expanduser() if override else Path.home() / ".config" / "arcsecond"


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
        parser = _read()
        from_environment = None if api_name else os.environ.get("ARCSECOND_API")
        self.api_name: str = api_name or from_environment or _chosen(parser)
        if not _is_api(parser, self.api_name):
            named_by = " (named by ARCSECOND_API)" if from_environment else ""
            raise ConfigError(
                f"no API server is known as {self.api_name!r}{named_by}",
                hint="List them with `arcsecond api`, or add it with `arcsecond api add NAME URL`.",
            )
        self.api_server: str = _url(parser, self.api_name)
        self.allow_http: bool = _yes(parser, self.api_name, "allow_http")
        account = _account_section(parser, self.api_name)
        self.username: str | None = _text(parser, account, "username")
        self._keys = {
            key_type: Secret(text)
            for key_type in KeyType
            if (text := _key_text(parser, account, key_type))
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

    def _key(self, key_type: KeyType) -> Secret | None:
        key = self._keys.get(key_type)
        try:
            return check_key(key.reveal()) if key else None
        except InputError:
            raise ConfigError(
                f"{config_file()}: [{self.api_name}]: {key_type.entry} is no key",
                hint="Store it again with `arcsecond login`.",
            ) from None

    def __repr__(self) -> str:
        return f"ArcsecondConfig(api_name={self.api_name!r}, api_server={self.api_server!r})"


def list_apis() -> list[Api]:
    """Return the known API servers, `cloud` first."""
    parser = _read()
    chosen = _chosen(parser)
    names = [CLOUD, *(n for n in parser.sections() if n != CLOUD and _is_api(parser, n))]
    # As it is written: an address that cannot be used is seen here, and does not hide the others.
    return [
        Api(
            name,
            CLOUD_URL if name == CLOUD else str(_text(parser, name, "api_server")),
            name == chosen,
        )
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
    if name == _CHOICE[0]:
        raise InputError(
            f"{name} is what config.ini calls its own section", hint="Choose another name for it."
        )
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} is no API name: use letters, digits, '-', '_' and '.'")
    url = check_url(url, allow_http=allow_http)
    parser = _read()
    if not parser.has_section(name):
        parser.add_section(name)
    elif _text(parser, name, "api_server") not in (None, url):
        _forget(parser, name)
    parser.set(name, "api_server", url)
    if url.startswith("http://") and not is_loopback(urlsplit(url).hostname):
        parser.set(name, "allow_http", "yes")
    else:
        parser.remove_option(name, "allow_http")
    _write(parser)
    return Api(name, url, name == _chosen(parser))


def use_api(name: str) -> Api:
    """Choose the API server that is used when nothing else is said."""
    parser = _read()
    _must_be_known(parser, name)
    section, entry = _CHOICE
    if not parser.has_section(section):
        parser.add_section(section)
    parser.set(section, entry, name)
    _write(parser)
    return Api(name, _url(parser, name), chosen=True)


def remove_api(name: str) -> None:
    """Forget an API server and the keys for it."""
    if name == CLOUD:
        raise InputError("cloud cannot be removed", hint="`arcsecond logout` forgets its keys.")
    parser = _read()
    _must_be_known(parser, name)
    parser.remove_section(name)
    if _text(parser, *_CHOICE) == name:
        parser.remove_option(*_CHOICE)
    _write(parser)


def store_key(api_name: str, *, username: str, key_type: KeyType, key: Secret) -> None:
    """Keep a verified key; one user's two keys are kept side by side, another user's are dropped."""
    parser = _read()
    _must_be_known(parser, api_name)
    if not parser.has_section(api_name):
        parser.add_section(api_name)
    _adopt(parser, _account_section(parser, api_name), api_name)
    if _text(parser, api_name, "username") != username:
        _forget(parser, api_name)
    parser.set(api_name, "username", username)
    parser.set(api_name, key_type.entry, key.reveal())
    _write(parser)


def drop_keys(api_name: str) -> bool:
    """Forget the keys for an API server, not the server; tell whether there were any."""
    parser = _read()
    _must_be_known(parser, api_name)
    sections = [api_name]
    if api_name == CLOUD and _is_old_cloud(parser):
        sections.append(_OLD_CLOUD)
    had = any(_has_key(parser, section) for section in sections)
    dropped = [section for section in sections if _forget(parser, section)]
    if dropped:
        _write(parser)
    return had


def mend_modes() -> None:
    """Close config.ini and its folder to others, with a warning, where they are open."""
    if os.name == "nt":  # modes mean nothing there; the profile folder's access list protects it
        return
    for path, mode in ((config_folder(), 0o700), (_real_path(), 0o600)):
        try:
            found = stat.S_IMODE(path.stat().st_mode)
            # A folder that is not ours alone (/tmp, a home with a web page in it) is left as it is.
            if found & 0o077 and not found & stat.S_ISVTX and path != Path.home():
                path.chmod(mode)
                log.warning("%s was open to others (mode %o): mended to %o", path, found, mode)
        except FileNotFoundError:
            continue
        except PermissionError:
            log.warning("%s is open to others and belongs to somebody else", path)


def _must_be_known(parser: configparser.RawConfigParser, name: str) -> None:
    if not _is_api(parser, name):
        raise InputError(
            f"no API server is known as {name!r}", hint="List them with `arcsecond api`."
        )


def _is_api(parser: configparser.RawConfigParser, name: str) -> bool:
    return name == CLOUD or (name != _CHOICE[0] and _text(parser, name, "api_server") is not None)


def _chosen(parser: configparser.RawConfigParser) -> str:
    name = _text(parser, *_CHOICE)
    return name if name and _is_api(parser, name) else CLOUD


def _account_section(parser: configparser.RawConfigParser, name: str) -> str:
    """Return the section with the keys for a server: the cloud's may be in an older client's."""
    if name == CLOUD and not _has_key(parser, CLOUD) and _is_old_cloud(parser):
        return _OLD_CLOUD
    return name


def _is_old_cloud(parser: configparser.RawConfigParser) -> bool:
    """Tell whether `[main]` is the cloud: it could be given another address."""
    url = _text(parser, _OLD_CLOUD, "api_server")
    return parser.has_section(_OLD_CLOUD) and (url or CLOUD_URL).rstrip("/") == CLOUD_URL


def _has_key(parser: configparser.RawConfigParser, section: str) -> bool:
    return any(_key_text(parser, section, key_type) for key_type in KeyType)


def _key_text(parser: configparser.RawConfigParser, section: str, key_type: KeyType) -> str | None:
    text = _text(parser, section, key_type.entry)
    if text is None and key_type is KeyType.ACCESS:
        text = _text(parser, section, _OLD_ACCESS_KEY)
    return text


def _url(parser: configparser.RawConfigParser, name: str) -> str:
    if name == CLOUD:  # whatever the file says: its keys go nowhere else
        return CLOUD_URL
    url = _text(parser, name, "api_server") or ""
    try:
        return check_url(url, allow_http=_yes(parser, name, "allow_http"))
    except InputError as error:
        raise ConfigError(f"{config_file()}: [{name}]: {error.message}", hint=error.hint) from None


def _text(parser: configparser.RawConfigParser, section: str, entry: str) -> str | None:
    value = parser.get(section, entry, fallback=None)
    return value.strip() or None if value is not None else None


def _yes(parser: configparser.RawConfigParser, section: str, entry: str) -> bool:
    return (_text(parser, section, entry) or "").lower() in ("yes", "true", "on", "1")


def _adopt(parser: configparser.RawConfigParser, old: str, section: str) -> None:
    """Copy the user and the keys of an older client's section, which stays as it is."""
    if old == section:
        return
    for entry, value in parser.items(old):
        if _OF_THE_USER.fullmatch(entry):
            parser.set(section, entry, value)


def _forget(parser: configparser.RawConfigParser, section: str) -> bool:
    """Drop the entries of the user; tell whether there were any."""
    entries = parser.options(section) if parser.has_section(section) else []
    found = [entry for entry in entries if _OF_THE_USER.fullmatch(entry)]
    for entry in found:
        parser.remove_option(section, entry)
    return bool(found)


def _new_parser() -> configparser.RawConfigParser:
    # No section lends its entries to the others, no entry changes its spelling or is interpolated.
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the documentation does it
    return parser


def _read() -> configparser.RawConfigParser:
    parser = _new_parser()
    path = config_file()
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except configparser.Error as error:
        # Not the parser's own words, and no cause: they quote the line, and it may hold a key.
        line = getattr(error, "lineno", None) or next(
            (number for number, _ in getattr(error, "errors", ())), None
        )
        where = f", line {line}" if line else ""
        raise ConfigError(
            f"{path}{where}: this is no INI file", hint="Mend or remove it."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no UTF-8 text", hint="Mend or remove it.") from None
    return parser


def _write(parser: configparser.RawConfigParser) -> None:
    path = _real_path()
    try:
        config_folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        mend_modes()
        _replace(path, parser)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _real_path() -> Path:
    # A file that is a link elsewhere stays one: what it points at is replaced.
    return Path(os.path.realpath(config_file()))


def _replace(path: Path, parser: configparser.RawConfigParser) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".config-", suffix=".ini", dir=path.parent)  # 0600
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            parser.write(file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _fsync_folder(path.parent)


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
