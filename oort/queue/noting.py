"""One batch of sightings, judged and written in one transaction."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import update

from oort.policy import state
from oort.policy.sighting import Action, KnownRow, Sighting, judge
from oort.queue import moves
from oort.queue.models import UPLOADS
from oort.queue.moves import Move
from oort.queue.rows import born, known_rows, name_of, version_columns
from oort.values import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from oort.policy.state import State
    from oort.policy.version import RelPath
    from oort.queue.datasets import KnownDataset

_NEW_VERSION: Final[dict[str, Any]] = {
    "attempts": 0,
    "cuts": 0,
    "may_be_stored": False,
    "body_complete": False,
    "asked_complete": False,
    "forced": False,
    "recheck": False,
    "acknowledged": False,
    "sha256": None,
    "unproven": False,
    "tags_pending": False,
    "remote_id": None,
    "remote_name": None,
    "dataset_uuid": None,
}
_WITH_REASON: Final = frozenset({state.TRUNCATED, state.FILE_GONE})
"""What detection itself finds wrong with a file: the sighting's cause is what a person reads."""


class Noting:
    """One batch of sightings, written in one transaction."""

    def __init__(
        self,
        connection: Connection,
        host: str,
        watch: str,
        root: bytes,
        now: datetime,
        *,
        datasets: Mapping[str, KnownDataset],
    ) -> None:
        self.connection = connection
        self.host = host
        self.watch = watch
        self.root = root
        self.now = now
        self.datasets = datasets
        """What names of datasets stand for, as far as that is known without asking."""
        self._steps: list[Move] = []
        """What is left to be moved of the rows that were judged."""

    def take_all(self, sightings: Sequence[Sighting]) -> None:
        """Judge each sighting against the newest row of its path, in order."""
        paths = {sighting.version.rel_path for sighting in sightings}
        known = known_rows(self.connection, self.host, self.watch, sorted(paths))
        births: defaultdict[tuple[State, str], list[Sighting]] = defaultdict(list)
        unborn: set[RelPath] = set()
        moved: set[RelPath] = set()
        for sighting in sightings:
            path = sighting.version.rel_path
            if path in unborn:
                self._give_birth(births)  # a path twice in one batch: the row must be there first
                known |= known_rows(self.connection, self.host, self.watch, sorted(unborn))
                births.clear()
                unborn.clear()
            if path in moved:
                self._move_rows()
                known |= known_rows(self.connection, self.host, self.watch, [path])
            row = known.get(path)
            verdict = judge(row, sighting)
            if verdict.action is Action.INSERT:
                births[verdict.state or state.SETTLING, sighting.cause].append(sighting)
                unborn.add(path)
            elif row is not None and verdict.action is not Action.NOTHING:
                self._carry_out(row, sighting, verdict.action, verdict.state)
                moved.add(path)
        self._give_birth(births)
        self._move_rows()

    def _move_rows(self) -> None:
        """Take the rows that wait for it to where they belong."""
        moves.move_each(self.connection, self._steps, self.now)
        self._steps.clear()

    def _give_birth(self, births: Mapping[tuple[State, str], list[Sighting]]) -> None:
        for (after, cause), group in births.items():
            rows = [self._born(sighting) for sighting in group]
            born_as = after if after in state.INITIAL else state.SETTLING
            ids = moves.insert(self.connection, born_as, cause, self.now, rows)
            if after != born_as:
                values = {"error": cause} if after in _WITH_REASON else {}
                steps = [Move(row_id, born_as, after, cause, values) for row_id in ids]
                moves.move_each(self.connection, steps, self.now)

    def _born(self, sighting: Sighting) -> dict[str, Any]:
        return (
            born(self.host, self.watch, self.root, sighting.version)
            | {
                "header": dict(sighting.header),
                "night": sighting.night,
                "dataset_name": sighting.dataset_name,
                "ask_first": sighting.ask_first,
            }
            | self._dataset_of(sighting)
        )

    def _carry_out(
        self, row: KnownRow, sighting: Sighting, action: Action, after: State | None
    ) -> None:
        version = sighting.version
        if action is Action.MARK_CHANGED or action is Action.COMPARE:
            flag = "changed_in_hand" if action is Action.MARK_CHANGED else "recheck"
            self.connection.execute(
                update(UPLOADS).where(UPLOADS.c.id == row.id).values(**{flag: True})
            )
        elif action is Action.INSERT_CHANGED:
            moves.insert(
                self.connection, state.CHANGED, sighting.cause, self.now, [self._born(sighting)]
            )
        elif action is Action.REVISE_CHANGED:
            moves.amend(
                self.connection, row.id, "changed again", self.now, version_columns(version)
            )
        elif action is Action.RENAME:
            self._rename(row, sighting)
        else:
            self._move(row, sighting, after or row.state, revise=action is Action.REVISE)

    def _move(self, row: KnownRow, sighting: Sighting, after: State, *, revise: bool) -> None:
        before, cause = row.state, sighting.cause
        values = self._revised(row, sighting) if revise else {}
        values |= self._told(row, sighting)
        if after in _WITH_REASON:
            values["error"] = cause
        if revise and before == after == state.PENDING:
            moves.amend(self.connection, row.id, cause, self.now, values)
            return
        if before != after and not state.may_move(before, after):
            self._steps.append(Move(row.id, before, state.SETTLING, cause, values))
            before, values = state.SETTLING, {}
        self._steps.append(Move(row.id, before, after, cause, values))

    def _revised(self, row: KnownRow, sighting: Sighting) -> dict[str, Any]:
        """Return what a row forgets, and keeps, when it gets another version of its file."""
        return {
            **version_columns(sighting.version),
            **_NEW_VERSION,
            "root": self.root,
            "error": None,
            # What was sent of the older version may be there under this name.
            "ask_first": row.ask_first or row.tried,
        }

    def _rename(self, row: KnownRow, sighting: Sighting) -> None:
        """Let the row follow its file, or end where the new name has a row of its own."""
        target = sighting.renamed_to
        if target is None:
            return
        if known_rows(self.connection, self.host, self.watch, [target]):
            step = Move(row.id, row.state, state.IGNORED, f"renamed to {printable(target)}")
            moves.move(self.connection, step, self.now)
            return
        words = f"renamed from {printable(row.version.rel_path)}"
        values = {
            "rel_path": target,
            "path_text": printable(target),
            "name": name_of(target),
            "error": None,
        }
        if row.state == state.SETTLING:
            moves.amend(self.connection, row.id, words, self.now, values)
        else:
            step = Move(row.id, row.state, state.SETTLING, words, values)
            moves.move(self.connection, step, self.now)

    def _told(self, row: KnownRow, sighting: Sighting) -> dict[str, Any]:
        """Return what a sighting tells of a file beside its version."""
        values: dict[str, Any] = {}
        if sighting.header or sighting.night:
            values = {"header": dict(sighting.header), "night": sighting.night}
        if sighting.ask_first:
            values["ask_first"] = True
        if sighting.dataset_name not in (None, row.dataset_name):
            values["dataset_name"] = sighting.dataset_name
            if not row.tried:
                # Which dataset the other name stands for is to be found out. What may have been
                # sent is asked for where it was sent.
                values["dataset_uuid"] = None
                values |= self._dataset_of(sighting)
        return values

    def _dataset_of(self, sighting: Sighting) -> dict[str, Any]:
        """Return which dataset a name stands for, where that is known; in a fresh one nobody's file is."""
        known = self.datasets.get(sighting.dataset_name or "")
        if known is None:
            return {}
        return {"dataset_uuid": known.uuid} | ({"ask_first": False} if known.fresh else {})
