"""The table of what need not be asked again: it may forget anything, and must know nothing wrongly."""

from __future__ import annotations

import pytest

from oort.detect.familiar import BELIEVED_S, SLOTS_LEAST, Familiar
from oort.policy.version import FileVersion, RelPath


def version(number: int, *, size: int = 20160, mtime_ns: int = 1, inode: int = 0) -> FileVersion:
    return FileVersion(RelPath(b"night/%06d.fits" % number), size, mtime_ns, inode or number)


def knows(familiar: Familiar, one: FileVersion) -> bool:
    return familiar.knows(one.rel_path, one.size, one.mtime_ns, one.inode)


@pytest.fixture
def familiar() -> Familiar:
    familiar = Familiar()
    familiar.begin(0.0)
    return familiar


def test_it_knows_what_it_learnt_and_nothing_else(familiar: Familiar) -> None:
    assert not knows(familiar, version(1))

    familiar.learn(version(1))

    assert knows(familiar, version(1))
    assert not knows(familiar, version(2))


@pytest.mark.parametrize(
    "other", [version(1, size=5), version(1, mtime_ns=2), version(1, inode=9)], ids=str
)
def test_another_version_of_a_path_is_not_known(familiar: Familiar, other: FileVersion) -> None:
    familiar.learn(version(1))

    assert not knows(familiar, other)


def test_it_grows_and_loses_few(familiar: Familiar) -> None:
    many = 20 * SLOTS_LEAST
    for number in range(many):
        familiar.learn(version(number))

    known = sum(knows(familiar, version(number)) for number in range(many))

    assert known > 0.9 * many
    assert not any(knows(familiar, version(number)) for number in range(many, 2 * many))


def test_a_path_can_be_forgotten(familiar: Familiar) -> None:
    familiar.learn(version(1))

    familiar.forget(version(1).rel_path)

    assert not knows(familiar, version(1))


def test_what_it_is_told_to_forget_does_not_come_back(familiar: Familiar) -> None:
    familiar.learn(version(1))

    familiar.forget_all()
    familiar.learn(version(2))  # asked before the word came, perhaps

    assert not knows(familiar, version(1))
    familiar.begin(1.0)
    assert not knows(familiar, version(1))
    assert not knows(familiar, version(2))
    familiar.learn(version(2))
    assert knows(familiar, version(2))


def test_nothing_is_believed_for_longer_than_an_hour(familiar: Familiar) -> None:
    familiar.learn(version(1))

    familiar.begin(BELIEVED_S)
    assert knows(familiar, version(1))

    familiar.begin(BELIEVED_S + 1)
    assert not knows(familiar, version(1))
