"""Creating a dataset once, and attaching a telescope to it."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from arcsecond.errors import ArcsecondError, UnclearAnswerError
from arcsecond.upload import checks
from arcsecond.upload.patience import TRIES, is_passing

if TYPE_CHECKING:
    from arcsecond.upload.checks import Dataset, Telescope
    from arcsecond.upload.patience import Patience
    from arcsecond.upload.remote import Remote


class Creation:
    """Creates a dataset once: its name is looked up before, after, and when the answer was lost."""

    def __init__(self, remote: Remote, patience: Patience) -> None:
        self._remote = remote
        self._patience = patience

    def create(self, name: str, telescope: Telescope | None) -> Dataset:
        """Return the dataset of that name, whoever created it meanwhile."""
        found = self._find(name, telescope)
        tries = 0
        while found is None:
            tries += 1
            try:
                found = self._post(name, telescope)
            except ArcsecondError as error:
                unclear = is_passing(error) or isinstance(error, UnclearAnswerError)
                if not unclear or tries == TRIES:
                    raise
                self._patience.wait(tries)
                found = self._find(name, telescope)
        # Two machines may have created it at the same moment: both then use the older one.
        return self._find(name, telescope) or found

    def _find(self, name: str, telescope: Telescope | None) -> Dataset | None:
        found = next(iter(checks.datasets_named(self._remote, name)), None)
        if found is not None:
            checks.check_telescope_of(found, telescope)
        return found

    def _post(self, name: str, telescope: Telescope | None) -> Dataset:
        form: dict[str, object] = {"name": name}
        if telescope is not None:
            form["telescope"] = telescope.uuid
        created = checks.parse_dataset(self._remote.resource("datasets/").create(json=form))
        if created is None:
            raise UnclearAnswerError(
                f"dataset {name!r}: the server's answer names no UUID", status=HTTPStatus.CREATED
            )
        return replace(created, name=name)


def attach(remote: Remote, dataset: Dataset, telescope: Telescope) -> Dataset:
    """Attach the telescope to a dataset that has none."""
    remote.resource("datasets/").update(dataset.uuid, json={"telescope": telescope.uuid})
    return replace(dataset, telescope=telescope.uuid)
