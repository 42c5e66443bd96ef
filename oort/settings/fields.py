"""Every setting: its default, its range and one line that says what it is for.

This is the one table: reading, editing, `oort config` and docs/settings.md follow from it.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Final, TypeVar, cast

from oort.policy import naming
from oort.settings import rules
from oort.settings.rules import Rule, redact_url
from oort.values import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from oort.locations import Locations

__all__ = ["FIELDS", "WATCH_FIELDS", "Field", "Settings", "redact_url"]

T = TypeVar("T")

DEFAULT: Final = "default"
FROM_FILE: Final = "config.toml"
FROM_ENVIRONMENT: Final = "environment"


@dataclass(frozen=True, slots=True)
class Field:
    """One key of config.toml, for reading, showing and documenting it."""

    key: str
    default: object
    """None where the key may be absent; `default_words` says what holds then."""
    default_words: str
    rule: Rule[object]
    about: str


def _setting(
    default: T, rule: Rule[T], about: str, *, default_words: str = "", shown: bool = True
) -> T:
    return field(
        default=default,
        repr=shown,
        metadata={"rule": rule, "about": about, "default_words": default_words},
    )


def _derived(default: Callable[[], T], rule: Rule[T], about: str, *, default_words: str) -> T:
    return field(
        default_factory=default,
        metadata={"rule": rule, "about": about, "default_words": default_words},
    )


def host_name() -> str:
    """Return the machine's own name, as far as it may be a `host`."""
    import socket

    name = "".join(letter for letter in socket.gethostname() if letter.isprintable()).strip()
    return name[:64] or "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What config.toml says, with defaults for what it leaves out."""

    workers: int | str = _setting(
        "auto",
        rules.whole_or_auto(1, 64),
        "Uploads at one time; `auto` finds by itself what the link carries, up to 32.",
    )
    bwlimit: str = _setting(
        "off",
        rules.BWLIMIT,
        "The most that all uploads together may use: `off`, a rate (`512k`, `2M`: bytes a second, "
        "1024-based), or a timetable in local time, in which `pause` stops uploads.",
    )
    settle_s: float = _setting(
        2.0,
        rules.number(0.1, 3600),
        "How long a file must be unchanged before it is complete. One that is set is never "
        "shortened by a close event.",
    )
    rescan_s: float = _setting(
        300.0, rules.number(1, 86400), "How often every watched folder is walked through."
    )
    poll_s: float = _setting(
        10.0,
        rules.number(0.5, 3600),
        "How often a folder is walked through that gives no events (network file systems).",
    )
    truncated_after_s: float = _setting(
        3600.0,
        rules.number(1, 604800),
        "How long a file may stay shorter than its own header says before it is an Error.",
    )
    max_attempts: int = _setting(
        12, rules.whole(1, 1_000_000), "Failed attempts after which an upload is an Error."
    )
    retry_base_s: float = _setting(
        5.0, rules.number(0.05, 3600), "The first wait after a failed attempt, about."
    )
    retry_max_s: float = _setting(
        1800.0, rules.number(0.1, 86400), "The longest wait between two attempts."
    )
    link_retry_max_s: float = _setting(
        60.0, rules.number(0.5, 3600), "The longest wait between two looks at a link that is down."
    )
    connect_timeout_s: float = _setting(
        10.0, rules.number(0.5, 600), "How long the server may take to accept a connection."
    )
    read_timeout_s: float = _setting(
        120.0,
        rules.number(0.5, 3600),
        "How long the server may take to answer, and to take each block of a file.",
    )
    lease_s: float = _setting(
        60.0,
        rules.number(1, 3600),
        "How long a host keeps an upload without a sign of life (PostgreSQL).",
    )
    stop_grace_s: float = _setting(
        5.0, rules.number(0, 600), "How long uploads in hand may go on when the daemon stops."
    )
    history_days: int = _setting(
        400,
        rules.whole(1, 36500),
        "Days after which the transitions and attempts of final uploads are pruned; "
        "the uploads themselves stay.",
    )
    host: str = _derived(
        host_name,
        rules.HOST,
        "Who this machine is in the queue and in the tags.",
        default_words="the host name",
    )
    database: str | None = _setting(
        None,
        rules.optional(rules.DATABASE),
        "The queue. `OORT_DATABASE_URL` wins over this; a password is never shown.",
        default_words="SQLite, `oort.db` in the state folder",
        shown=False,
    )
    proxy: str | None = _setting(
        None,
        rules.optional(rules.WEB_ADDRESS),
        "The proxy to the server; a server on this machine is never reached through one.",
        default_words="from the environment",
        shown=False,
    )
    ca_bundle: str | None = _setting(
        None,
        rules.optional(rules.FILE),
        "A file of certificates to trust instead of the usual ones.",
        default_words="from the environment",
    )
    log_format: str = _setting(
        "console", rules.choice("console", "json"), "How the daemon's log is written."
    )
    log_level: str = _setting(
        "info", rules.choice("debug", "info", "warning"), "What the daemon's log leaves out."
    )
    heartbeat_url: str | None = _setting(
        None,
        rules.optional(rules.WEB_ADDRESS),
        "Called with GET while `oort check` is not critical; with `/fail` added when it is.",
        default_words="none",
    )
    heartbeat_s: float = _setting(
        300.0, rules.number(1, 86400), "How often `heartbeat_url` is called."
    )
    watches: tuple[Watch, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each key comes from that does not have its default."""

    def source(self, key: str) -> str:
        """Return `default`, `config.toml` or `environment`."""
        return self.sources.get(key, DEFAULT)

    def is_set(self, key: str) -> bool:
        """Tell whether somebody set this key, if only to its default."""
        return key in self.sources

    def watch(self, name: str) -> Watch | None:
        """Return the watch of that name."""
        return next((watch for watch in self.watches if watch.name == name), None)

    def settle_of(self, watch: Watch) -> tuple[float, bool]:
        """Return how long files of a watch settle, and whether somebody set that."""
        if watch.settle_s is not None:
            return watch.settle_s, True
        return self.settle_s, self.is_set("settle_s")

    def database_url(self, locations: Locations) -> str:
        """Return the URL of the queue; it may hold a password (`redact_url`)."""
        return self.database or f"sqlite:///{locations.database}"


def _fields() -> dict[str, Field]:
    table = {}
    for entry in fields(Settings):
        if "rule" not in entry.metadata:
            continue
        default = None if entry.default is MISSING else entry.default
        table[entry.name] = Field(
            key=entry.name,
            default=default,
            default_words=cast("str", entry.metadata["default_words"]),
            rule=cast("Rule[object]", entry.metadata["rule"]),
            about=cast("str", entry.metadata["about"]),
        )
    return table


FIELDS: Final[Mapping[str, Field]] = _fields()
"""The plain keys of config.toml, in the order in which they are shown."""


_WATCH_RULES: Final[dict[str, tuple[Rule[object], str, str]]] = {
    "name": (
        rules.text("1 to 100 characters", 100),
        "needed",
        "What the watch is called: in `oort status`, in `oort unwatch`, in the queue.",
    ),
    "path": (rules.ABSOLUTE_PATH, "needed", "The watched folder."),
    "dataset": (
        rules.DATASET,
        "",
        "The dataset of its files: a name, a UUID, or a template of "
        + ", ".join(f"`{{{name}}}`" for name in naming.FIELDS)
        + ".",
    ),
    "telescope": (
        rules.optional(rules.text("a UUID or an alias", 200)),
        "none",
        "The telescope that a new dataset is attached to.",
    ),
    "portal": (
        rules.optional(rules.text("a portal's subdomain", 200)),
        "none: the account itself",
        "The portal that the dataset belongs to.",
    ),
    "api": (
        rules.text("a name of `arcsecond api`", 100),
        "",
        "The server, by its name; `arcsecond api use` never changes it.",
    ),
    "username": (
        rules.optional(rules.text("a username", 200)),
        "any",
        "Whose key may be used; a key of somebody else holds the watch.",
    ),
    "tags": (rules.TAGS, "", "More tags for each of its files."),
    "raw": (rules.YES_OR_NO, "", "Whether its files are raw data."),
    "include": (rules.PATTERNS, "", "Patterns, as in .gitignore: only these files are sent."),
    "exclude": (rules.PATTERNS, "", "Patterns, as in .gitignore: these files are not sent."),
    "settle_s": (rules.number(0.1, 3600), "`settle_s` above", "The same, for this watch alone."),
    "polling": (rules.YES_OR_NO, "", "Walk through it every `poll_s`, whatever events say."),
    "shared": (
        rules.YES_OR_NO,
        "",
        "The folder is on shared storage: every host of this queue may send its files.",
    ),
    "new_only": (
        rules.YES_OR_NO,
        "",
        "What lay there when the watch was made was left out; only newer files are sent.",
    ),
    "follow_symlinks": (rules.YES_OR_NO, "", "Take links that lead outside the folder, too."),
    "check_structure": (
        rules.YES_OR_NO,
        "",
        "Let a file's own format say whether it is whole; off for cameras whose headers lie.",
    ),
    "enabled": (rules.YES_OR_NO, "", "Whether the watch is used at all."),
}


def _watch_fields() -> dict[str, Field]:
    defaults = {entry.name: entry.default for entry in fields(Watch)}
    return {
        key: Field(
            key=key,
            default=None if defaults[key] is MISSING else defaults[key],
            default_words=words,
            rule=rule,
            about=about,
        )
        for key, (rule, words, about) in _WATCH_RULES.items()
    }


WATCH_FIELDS: Final[Mapping[str, Field]] = _watch_fields()
"""The keys of a `[[watch]]`."""
