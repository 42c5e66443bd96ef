"""What `oort verify` concludes of one file, from the disk, the queue and the server."""

from __future__ import annotations

import pytest

from oort.policy import state
from oort.policy.same import NeedsHash, Other, Same
from oort.policy.state import SAFE, TRANSITIONS, State
from oort.policy.verifying import Finding, Remedy, needs_reading, with_server, without_server
from oort.policy.version import FileVersion, RelPath

HERE = FileVersion(RelPath(b"a.fits"), 100, 5, 7)


@pytest.mark.parametrize("now_in", sorted(TRANSITIONS))
def test_every_state_is_judged_by_the_queue_unless_it_says_safe(now_in: State) -> None:
    judgement = without_server(HERE, now_in, HERE)
    assert (judgement is None) == (now_in in SAFE)


@pytest.mark.parametrize(
    ("now_in", "finding", "remedy"),
    [
        (state.IGNORED, Finding.LEFT_OUT, Remedy.NONE),
        (state.CHANGED, Finding.DIFFERS, Remedy.NONE),
        (state.FILE_GONE, Finding.MISSING, Remedy.LOOK),
        (state.PENDING, Finding.MISSING, Remedy.NONE),
        (state.UPLOADING, Finding.MISSING, Remedy.NONE),
        (state.NAME_CONFLICT, Finding.MISSING, Remedy.NONE),
    ],
)
def test_what_is_not_stored(now_in: State, finding: Finding, remedy: Remedy) -> None:
    judgement = without_server(HERE, now_in, HERE)
    assert judgement is not None
    assert (judgement.finding, judgement.remedy) == (finding, remedy)


def test_another_size_needs_no_server_and_another_time_needs_the_content() -> None:
    longer = FileVersion(HERE.rel_path, 101, 5, 7)
    judgement = without_server(longer, state.DONE, HERE)
    assert judgement is not None
    assert (judgement.finding, judgement.remedy) == (Finding.DIFFERS, Remedy.LOOK)
    assert not needs_reading(HERE, HERE)
    assert needs_reading(FileVersion(HERE.rel_path, 100, 6, 7), HERE)


def test_what_the_server_says() -> None:
    assert with_server(None).remedy is Remedy.SEND_AGAIN
    assert with_server(Same(unproven=False)).finding is Finding.THERE
    assert with_server(Same(unproven=True, note="by name")).finding is Finding.UNPROVEN
    assert with_server(Other("another content")).finding is Finding.DIFFERS
    assert with_server(NeedsHash()).finding is Finding.UNPROVEN
