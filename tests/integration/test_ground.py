"""What the ground says of a watched folder: real folders, and one who is told that fails at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oort.detect.ground import Footing, Ground
from oort.errors import QueueError

if TYPE_CHECKING:
    from pathlib import Path

    from oort.detect.mounts import RootIdentity

LATER_S = 3600.0


class Told:
    """Takes identities, unless its disk is full."""

    def __init__(self) -> None:
        self.identities: list[RootIdentity] = []
        self.disk_is_full = False

    def __call__(self, identity: RootIdentity) -> None:
        if self.disk_is_full:
            raise QueueError("the disk is full")
        self.identities.append(identity)


def test_another_folder_that_could_not_be_remembered_arrives_at_the_next_look(
    tmp_path: Path,
) -> None:
    """A takeover that was lost would leave the new folder's files without a scan."""
    night = tmp_path / "night"
    night.mkdir()
    told = Told()
    ground = Ground(night, None, name="dome", on_identity=told)
    assert ground.look(0.0) is Footing.ARRIVED

    night.rename(tmp_path / "old")
    night.mkdir()
    (night / "new.fits").write_bytes(b"an empty one would count as a disk that is not mounted")
    told.disk_is_full = True
    with pytest.raises(QueueError):
        ground.look(LATER_S)
    told.disk_is_full = False

    assert ground.look(2 * LATER_S) is Footing.ARRIVED
    assert len(set(told.identities)) == 2
    assert ground.look(3 * LATER_S) is Footing.SAME
