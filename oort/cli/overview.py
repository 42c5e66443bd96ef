"""`oort status` in words: the verdict first, then the watches, what is in hand, what needs a person.

Everything here turns the document of `oort.status.overview` (contract.md §3) into something to
read; nothing is asked or counted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from oort.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
    from rich.table import Table

Document = dict[str, Any]

_IN_HAND: Final = ("New", "Preparing", "Uploading", "Finishing")
_BAR_WIDTH: Final = 20
_SHORTEST_PATH: Final = 12
_WIDE: Final = 10_000
"""A table is measured with so much room: how wide it would like to be."""
_MOST_ATTENTION: Final = 20
_INDENT: Final = (0, 0, 0, 4)
_STATE_STYLES: Final = {"missing": "red", "held": "yellow", "disabled": "dim"}


class Verdict(NamedTuple):
    """The answer to "is it safe?" in one line, and how it should look."""

    text: str
    style: str


def verdict(document: Document, now: datetime) -> Verdict:
    """Return the first line: what needs somebody comes before what waits, and that before safety."""
    by_status = document["queue"]["by_status"]
    failed, pending = by_status["Error"], document["queue"]["pending_files"]
    if failed:
        needs = "needs" if failed == 1 else "need"
        first = Verdict(f"{output.count(failed, 'file')} {needs} you", "red")
    elif pending:
        first = _waiting(document, now)
    elif not document["watches"] and not document["queue"]["total"]:
        return Verdict("No folder is watched yet: `oort watch FOLDER` adds one.", "bold")
    elif not document["queue"]["total"]:
        return Verdict("No file has been seen yet.", "bold")
    else:
        return _all_safe(document)
    rest = [first.text]
    if failed and pending:
        rest.append(f"{output.count(pending, 'file')} on the way")
    if document["queue"]["safe"]:
        rest.append(f"{output.count(document['queue']['safe'], 'file')} safe")
    return Verdict("; ".join(rest) + ".", first.style)


def _waiting(document: Document, now: datetime) -> Verdict:
    """Return what the waiting files wait for."""
    queue, link, daemon = document["queue"], document["link"], document["daemon"]
    files = output.count(queue["pending_files"], "file")
    wait = "waits" if queue["pending_files"] == 1 else "wait"
    if not daemon["running"]:
        return Verdict(f"{files} {wait}, and the daemon is not running", "red")
    if link["state"] == "unauthorised":
        return Verdict(f"{files} {wait}: the server refuses the key", "red")
    if link["state"] == "offline":
        since = f", offline since {output.moment(link['since'], now)}" if link["since"] else ""
        return Verdict(f"{files} {wait} for the link{since}", "yellow")
    if daemon["paused"]:
        return Verdict(f"{files} {wait}: uploads are paused", "yellow")
    left = f", about {output.duration(queue['eta_s'])} left" if queue["eta_s"] else ""
    return Verdict(f"{files} on the way ({output.size(queue['pending_bytes'])}{left})", "bold")


def _all_safe(document: Document) -> Verdict:
    """Return what can be said where nothing waits and nothing failed; unseen files are not safe."""
    queue = document["queue"]
    stored, unproven = queue["safe"], queue["unproven"]
    lost = queue["gone"] + queue["changed"]
    skipped = sum(queue["by_status"][status] for status in ("OK", "Skipped")) - stored - lost
    unseen = _reasons_to_doubt(document)
    losses = _losses(queue)
    unsure = losses + unseen
    if not stored:
        text = "Nothing waits"
    elif losses:
        text = f"{output.count(stored, 'file')} safe"
    elif stored == 1:
        text = "The file that was seen is safe" if unseen else "The file is safe"
    else:
        seen = " that were seen" if unseen else ""
        text = f"All {output.count(stored, 'file')}{seen} are safe"
    if skipped:
        text += f"; {output.count(skipped, 'file')} skipped"
    if unproven:
        text += f"; {unproven} by name and size alone, without a hash"
    if unsure:
        return Verdict(f"{text}; but {', and '.join(unsure)}.", "yellow")
    return Verdict(text + ".", "green" if stored else "bold")


def _losses(queue: Mapping[str, Any]) -> list[str]:
    """Return what is not safe although nothing waits, until `oort skip` acknowledges it."""
    found = []
    if queue["gone"]:
        verb = "is" if queue["gone"] == 1 else "are"
        found.append(f"{output.count(queue['gone'], 'file')} {verb} gone and never stored")
    if queue["changed"]:
        found.append(f"{output.count(queue['changed'], 'file')} changed after the upload")
    if found:
        found[-1] += " (`oort uploads --status Skipped` lists them)"
    return found


def _reasons_to_doubt(document: Document) -> list[str]:
    """Return why there may be files that nobody has seen."""
    found = [] if document["daemon"]["running"] else ["the daemon is not running"]
    found += [
        f'the watch "{watch["name"]}" is missing'
        for watch in document["watches"]
        if watch["state"] == "missing"
    ]
    found += [
        f'a part of the watch "{watch["name"]}" cannot be read'
        for watch in document["watches"]
        if watch["unreadable"]
    ]
    return found


def render(document: Document, now: datetime) -> Group:
    """Return the whole page for rich."""
    from rich.console import Group
    from rich.text import Text

    first = verdict(document, now)
    parts: list[RenderableType] = [Text(first.text, style=first.style)]
    parts += [Text(line) for line in _state_lines(document, now)]
    parts += [Text(f"Warning: {words}", style="yellow") for words in document["daemon"]["warnings"]]
    if document["watches"]:
        parts += [Text(), Watches(document["watches"])]
        parts += [Text(line, style="yellow") for line in _reasons(document["watches"])]
    if document["active"]:
        parts += [Text(), _InHand(document["active"])]
    if document["attention"]:
        parts += [Text(), *_attention(document)]
    return Group(*parts)


def _state_lines(document: Document, now: datetime) -> list[str]:
    daemon = document["daemon"]
    if not daemon["running"]:
        return ["Daemon: not running; `oort start` starts it."]
    since = output.moment(daemon["started_at"], now)
    state = "paused; `oort resume` goes on" if daemon["paused"] else "running"
    lines = [f"Daemon: {state} (pid {daemon['pid']}, {daemon['host']}, since {since})"]
    links = document.get("links") or [document["link"]]
    lines += [_link_line(link, now) for link in links]
    rate = document["queue"]["rate_bytes_per_s"]
    if rate and document["link"]["state"] == "online":
        lines.append(f"Speed: {output.rate(rate)}")
    return lines


def _link_line(link: Mapping[str, Any], now: datetime) -> str:
    line = f"Link{' to ' + link['api'] if 'api' in link else ''}: {link['state']}"
    if link["state"] == "online":
        return line
    if link["since"]:
        line += f" since {output.moment(link['since'], now)}"
    if link["reason"]:
        line += f": {link['reason']}"
    if link["state"] == "unauthorised" and "`arcsecond login" not in (link["reason"] or ""):
        line += "; `arcsecond login` puts it right"
    if link["next_attempt_at"]:
        line += f"; next try at {output.moment(link['next_attempt_at'], now)}"
    return line


class Watches:
    """One row a watch: its state, and its files by what became of them.

    Where the terminal is too narrow for datasets and folders they follow in lines of their own.
    """

    def __init__(self, watches: Sequence[Document]) -> None:
        self._watches = watches

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as wide as there is room (rich's protocol)."""
        from rich.measure import Measurement
        from rich.text import Text

        whole = self._table(with_folder=True)
        wide = options.update(max_width=_WIDE)
        if Measurement.get(console, wide, whole).maximum <= options.max_width:
            yield whole
            return
        yield self._table(with_folder=False)
        for watch in self._watches:
            path = output.words(watch["path"])
            yield Text(f"{watch['name']}: {path} → {watch['dataset']}", style="dim")

    def _table(self, *, with_folder: bool) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("WATCH", "STATE"):
            table.add_column(heading, no_wrap=True)
        for heading in ("ON THE WAY", "OK", "SKIPPED", "ERROR", "LEFT OUT"):
            table.add_column(heading, justify="right", no_wrap=True)
        for heading in ("DATASET", "FOLDER") if with_folder else ():
            table.add_column(heading, no_wrap=True)
        for watch in self._watches:
            counts = {status: watch["by_status"].get(status, 0) for status in (*_IN_HAND, *_FINAL)}
            place = (Text(watch["dataset"]), Text(output.words(watch["path"])))
            table.add_row(
                Text(watch["name"]),
                Text(watch["state"], style=_STATE_STYLES.get(watch["state"], "")),
                f"{sum(counts[status] for status in _IN_HAND):,}",
                *(f"{counts[status]:,}" for status in _FINAL),
                f"{sum(watch['left_out'].values()):,}",
                *(place if with_folder else ()),
            )
        return table


_FINAL: Final = ("OK", "Skipped", "Error")


def _reasons(watches: Iterable[Document]) -> list[str]:
    lines = []
    for watch in watches:
        if watch["reason"]:
            lines.append(f"{watch['name']}: {watch['reason']}")
        if watch["unreadable"]:
            first, *others = watch["unreadable"]
            more = f"; and {output.count(len(others), 'more place')}" if others else ""
            lines.append(f"{watch['name']}: cannot be read: {output.words(first)}{more}")
    return lines


class _InHand:
    """One row an upload: where a path has no room its beginning goes, the file's name stays."""

    def __init__(self, active: Sequence[Document]) -> None:
        self._active = active

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as wide as there is room (rich's protocol)."""
        from rich.measure import Measurement
        from rich.table import Table
        from rich.text import Text

        def table(longest: int) -> Table:
            drawn = Table(box=None, pad_edge=False, header_style="bold")
            for heading in ("IN HAND", "", "SENT", "OF"):
                side: Literal["left", "right"] = "right" if heading in {"SENT", "OF"} else "left"
                drawn.add_column(heading, justify=side, no_wrap=True)
            for upload in self._active:
                drawn.add_row(
                    Text(_end_of(output.words(upload["path"]), longest)),
                    bar(upload["bytes_sent"], upload["size"]),
                    output.size(upload["bytes_sent"]),
                    output.size(upload["size"]),
                )
            return drawn

        longest = max(len(output.words(upload["path"])) for upload in self._active)
        whole = table(longest)
        wide = options.update(max_width=_WIDE)
        too_wide = Measurement.get(console, wide, whole).maximum - options.max_width
        yield table(max(_SHORTEST_PATH, longest - too_wide)) if too_wide > 0 else whole


def _end_of(path: str, longest: int) -> str:
    return path if len(path) <= longest else "…" + path[1 - longest :]


def bar(done: int, total: int) -> str:
    """Return a bar of fixed width; a file that is sent is a full one."""
    filled = min(_BAR_WIDTH, _BAR_WIDTH * done // total) if total else 0
    return "█" * filled + "░" * (_BAR_WIDTH - filled)


def _attention(document: Document) -> list[RenderableType]:
    """Return what needs a person, with the command to type."""
    from rich.padding import Padding
    from rich.text import Text

    rows = document["attention"][:_MOST_ATTENTION]
    parts: list[RenderableType] = [Text("NEEDS YOU", style="bold")]
    for row in rows:
        parts.append(Text(f"{output.words(row['path'])}"))
        why = Text(f"{row['substatus']}: {row['error'] or 'no reason given'}", style="red")
        force = " --force" if row["substatus"] == "truncated file" else ""
        remedy = Text(f"oort retry{force} {row['id']}   or   oort skip {row['id']}")
        parts += [Padding(why, _INDENT), Padding(remedy, _INDENT)]
    more = document["queue"]["by_status"]["Error"] - len(rows)
    if more > 0:
        parts.append(Text(f"and {output.count(more, 'more file')}: `oort uploads --status Error`"))
    return parts
