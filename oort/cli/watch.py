"""`oort watch`: look at a folder, say what would happen, ask, and write it into config.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from oort.cli import completion, looking, options, output, planning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from oort.cli.looking import Look
    from oort.cli.options import Here
    from oort.cli.planning import Plan
    from oort.remote import WatchCheck
    from oort.values import Watch

    Question = tuple[str, str, str | None, str | None]
    """What the server is asked about a watch: server, dataset, telescope, portal."""

_BASELINE_S: Final = 600.0
"""What a daemon may take to record a large folder."""


class Allowed(click.ParamType[Any]):
    """A value that `[[watch]]` may have: the rule is the one of config.toml."""

    def __init__(self, key: str, name: str, convert: Callable[[str], object] = str) -> None:
        self.name = name
        self._key = key
        self._convert = convert

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002  # click's signature
        ctx: click.Context | None,  # noqa: ARG002
    ) -> object:
        """Return the value as config.toml would give it. Raises SettingsError with the range."""
        if not isinstance(value, str) or not value:
            return value  # the default, or an empty text, which stands for it
        return _accepted(self._key, self._convert(value))


def _accepted(key: str, value: object) -> Any:
    """Return a value as config.toml would give it. Raises SettingsError with the allowed range."""
    from oort.errors import SettingsError
    from oort.settings import WATCH_FIELDS

    try:
        return WATCH_FIELDS[key].rule.accept(value)
    except ValueError as error:
        raise SettingsError(f"{key} {error}") from None


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _tags(text: str) -> list[str]:
    return [tag.strip() for tag in text.split(",") if tag.strip()]


@click.command(short_help="Watch a folder and send its files.")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    metavar="FOLDER…",
    type=options.PATH,
    shell_complete=completion.folders,
)
@click.option(
    "-d",
    "--dataset",
    type=Allowed("dataset", "dataset"),
    help="Name, UUID or template of the dataset; default {folder}: one for each folder.",
)
@click.option(
    "-t", "--telescope", type=Allowed("telescope", "telescope"), help="Its UUID or alias."
)
@click.option("-p", "--portal", type=Allowed("portal", "portal"), help="Send to this portal.")
@click.option(
    "--api",
    type=Allowed("api", "name"),
    shell_complete=completion.apis,
    help="The server, as `arcsecond api` names it.",
)
@click.option("--name", type=Allowed("name", "n"), help="What to call the watch.")
@click.option("--tags", type=Allowed("tags", "a,b", _tags), help="More tags for each file.")
@click.option("--raw/--no-raw", default=None, help="Whether the files are raw data (they are).")
@click.option("--include", multiple=True, metavar="G", help="Send only what this pattern matches.")
@click.option("--exclude", multiple=True, metavar="G", help="Do not send what it matches.")
@click.option(
    "--settle",
    "settle_s",
    type=Allowed("settle_s", "s", _number),
    help="Seconds for which a file must be unchanged.",
)
@click.option(
    "--new-only/--no-new-only", default=None, help="Leave out what lies there now for ever."
)
@click.option("--polling/--no-polling", default=None, help="Do not rely on the system's events.")
@click.option("--shared/--no-shared", default=None, help="Other hosts may send its files, too.")
@click.option(
    "--follow-symlinks/--no-follow-symlinks", default=None, help="Take links that lead outside."
)
@click.option("--offline", is_flag=True, help="Do not ask the server whether this can work.")
@options.verbose
@options.yes
def watch(
    folders: tuple[Path, ...], *, offline: bool, verbose: bool, yes: bool, **given: Any
) -> None:
    """Watch folders: every file that appears in them is sent to Arcsecond.io, once it is complete.

    DATASET may be a template of {folder} {night} {object} {filter} {imagetyp} {telescop}
    {instrume} {host} {watch}. A folder that is watched already gets the given options; the others
    stay as they are. Patterns are those of .gitignore; --include and --exclude may be repeated.
    """
    chosen = _given(given)
    if "name" in chosen and len(folders) > 1:
        raise click.UsageError("--name is for one folder; several cannot have the same name.")
    here = options.here()
    plans = planning.plans(folders, chosen, here.settings.watches, _api(chosen.get("api")))
    checks = {} if offline else _check(plans, here, verbose=verbose)
    plans = [_with_account(plan, checks) for plan in plans]
    if not any(plan.is_new or plan.changes for plan in plans):
        for plan in plans:
            name = output.words(plan.watch.path)
            output.line(f'{name} is watched already, as "{plan.watch.name}"; nothing to change.')
        return
    looks = [looking.look(plan.watch, _neighbours(plan, plans, here), here) for plan in plans]
    for plan, look in zip(plans, looks, strict=True):
        _show(plan, look, checks.get(_question(plan)), _neighbours(plan, plans, here))
    options.confirm("Is that right?", yes=yes)
    for plan in plans:
        _write(plan, _neighbours(plan, plans, here), here)
    _tell_what_next(here)


def _given(typed: dict[str, Any]) -> dict[str, Any]:
    """Return what somebody typed; an empty text stands for the default."""
    from oort.settings import WATCH_FIELDS

    found = {key: value for key, value in typed.items() if value not in (None, ())}
    for key, value in found.items():
        if value in ("", ("",)):
            found[key] = WATCH_FIELDS[key].default
    for key in {"include", "exclude"} & found.keys():
        found[key] = _accepted(key, found[key])
    return found


def _api(name: str | None) -> str:
    """Return the name of the server that was typed, else of the chosen one."""
    from oort.remote import account

    return account(name).api


def _question(plan: Plan) -> Question:
    watch = plan.watch
    return watch.api, watch.dataset, watch.telescope, watch.portal


def _check(plans: Sequence[Plan], here: Here, *, verbose: bool) -> dict[Question, WatchCheck]:
    """Ask the server, once for the same options; raises RemoteError with a remedy."""
    from oort.remote import check_watch

    found: dict[Question, WatchCheck] = {}
    for plan in plans:
        question = _question(plan)
        if question not in found:
            api, dataset, telescope, portal = question
            found[question] = check_watch(
                api,
                dataset=dataset,
                telescope=telescope,
                portal=portal,
                connect_timeout_s=here.settings.connect_timeout_s,
                proxy=here.settings.proxy,
                ca_bundle=here.settings.ca_bundle,
                trace=output.complain if verbose else None,
            )
    return found


def _with_account(plan: Plan, checks: dict[Question, WatchCheck]) -> Plan:
    """Write down whose account the watch is meant for; unasked, a name that is there stays."""
    from oort.remote import account

    check = checks.get(_question(plan))
    if check is not None:
        return plan.for_user(check.account.username)
    return plan if plan.watch.username else plan.for_user(account(plan.watch.api).username)


def _neighbours(plan: Plan, plans: Sequence[Plan], here: Here) -> list[Watch]:
    """Return the other watches: those that are there, and those of the same command."""
    names = {planned.watch.name for planned in plans}
    there = [watch for watch in here.settings.watches if watch.name not in names]
    return there + [planned.watch for planned in plans if planned is not plan]


def _show(plan: Plan, look: Look, check: WatchCheck | None, others: Sequence[Watch]) -> None:
    """Say what would be written, what lies there, and what somebody should know."""
    watch = plan.watch
    output.line(output.paint(output.words(watch.path), "bold"))
    facts = _changed(plan) if plan.before else _new(watch, check)
    was_new_only = plan.before is not None and plan.before.new_only
    facts["files"] = looking.words(look, leave_out=watch.new_only and not was_new_only)
    for name, words in facts.items():
        output.line(f"  {name:<11}{words}")
    for text in [*planning.warnings_of(plan, others), *looking.warnings_of(look)]:
        output.warning(text)
    output.line()


def _new(watch: Watch, check: WatchCheck | None) -> dict[str, str]:
    """Return the lines that describe a new watch."""
    facts = {"watch": watch.name, "dataset": _dataset(watch, check)}
    if watch.telescope:
        found = check.telescope if check else None
        facts["telescope"] = f"{found.name} ({found.uuid})" if found else watch.telescope
    if watch.portal:
        facts["portal"] = watch.portal
    facts["account"] = f"{watch.username or 'not logged in'} at {watch.api}"
    if check is None:
        facts["account"] += " (not asked)"
    for key, value in planning.unusual(watch).items():
        facts[key] = planning.shown(key, value)
    return facts


def _dataset(watch: Watch, check: WatchCheck | None) -> str:
    """Return the dataset in words: a template, one that is there, one that will be created."""
    from oort.policy.naming import check_template, is_uuid

    if not is_uuid(watch.dataset) and check_template(watch.dataset):
        return f"{watch.dataset} (by each file's own)"
    if check is None:
        return watch.dataset
    if check.dataset is None:
        return f"{watch.dataset} (new: created with the first file)"
    count = check.dataset.files_count
    files = "" if count is None else f", {output.count(count, 'file')}"
    return f"{check.dataset.name} (existing{files})"


def _changed(plan: Plan) -> dict[str, str]:
    """Return the lines that describe a change: each option, old and new."""
    facts = {"watch": f"{plan.watch.name} (is watched already)"}
    for key, (old, new) in plan.changes.items():
        facts[key] = f"{planning.shown(key, old)} → {planning.shown(key, new)}"
    return facts


def _write(plan: Plan, others: Sequence[Watch], here: Here) -> None:
    """Leave out what lies there where that is wanted, then write the watch into config.toml."""
    from oort.daemon import control
    from oort.settings import add_watch, change_watch

    watch, was_new_only = plan.watch, plan.before is not None and plan.before.new_only
    if watch.new_only and not was_new_only:
        arguments = looking.baseline(watch, looking.look(watch, others, here))
        control.ask(here.locations, "baseline", arguments, timeout_s=_BASELINE_S)
    if plan.before is None:
        add_watch(here.locations.config_file, watch)
        output.line(f'Watched: {output.words(watch.path)} as "{watch.name}".')
    elif plan.changes:
        values = {key: new for key, (_old, new) in plan.changes.items()}
        change_watch(here.locations.config_file, watch.name, values)
        output.line(f'Changed: "{watch.name}".')


def _tell_what_next(here: Here) -> None:
    from oort.lock import daemon_of

    if daemon_of(here.locations.lock_file) is not None:
        output.line("The daemon takes it up within 3 seconds; `oort status` shows it.")
    else:
        output.line("The daemon is not running; `oort start` begins to send.")
