"""The pure parts of an upload: the same file, names a server may change, rates, tags, words."""

from __future__ import annotations

import heapq
import random
import threading
from dataclasses import replace

import pytest

from arcsecond.errors import (
    AnswerError,
    ArcsecondError,
    BodyChangedError,
    BrokenError,
    CancelledError,
    InputError,
    NotReachedError,
    RedirectError,
)
from arcsecond.tags import sha256_tag
from arcsecond.upload.checks import is_uuid, normal_name, parse_dataset
from arcsecond.upload.compare import Likeness, compare
from arcsecond.upload.context import split_tags
from arcsecond.upload.datafiles import RemoteFile, parse_file
from arcsecond.upload.index import RemoteIndex, gist
from arcsecond.upload.result import Trouble, trouble_of
from arcsecond.upload.throttle import Throttle, parse_rate

HASH, OTHER_HASH = "a" * 64, "b" * 64
THERE = RemoteFile(id="1", name="a.fits", size=10, sha256=HASH, from_oort=False)


@pytest.mark.parametrize(
    ("there", "likeness"),
    [
        (THERE, Likeness.SAME),
        (replace(THERE, from_oort=True), Likeness.SAME),
        (replace(THERE, size=None), Likeness.SAME),
        (replace(THERE, size=11), Likeness.OTHER),
        (replace(THERE, has_file=False), Likeness.OTHER),
        (replace(THERE, sha256=OTHER_HASH), Likeness.OTHER),
        (replace(THERE, sha256=None), Likeness.UNPROVEN),
        (replace(THERE, sha256=None, from_oort=True), Likeness.OTHER),
        (replace(THERE, sha256=None, size=None), Likeness.OTHER),
    ],
)
def test_a_namesake_is_the_same_file_by_size_and_hash(
    there: RemoteFile, likeness: Likeness
) -> None:
    assert compare(10, HASH, there) is likeness


def test_a_data_file_is_read_leniently() -> None:
    told = {"pk": 7, "name": "a.fits", "size": 10, "tags": [sha256_tag(HASH), 5, "x"]}
    assert parse_file(told) == replace(THERE, id="7")
    assert parse_file({"id": "abc"}) == RemoteFile("abc", "", None, None, from_oort=False)
    assert parse_file({"id": 1, "size": "10", "tags": "a,b"}, keep_tags=True) == RemoteFile(
        "1", "", None, None, from_oort=False
    )
    assert parse_file({"id": 1, "dataset": {"uuid": "u"}, "tags": ["oort|host|x"]}) == RemoteFile(
        "1", "", None, None, from_oort=True, dataset="u"
    )


@pytest.mark.parametrize("item", [None, [], "x", {}, {"id": None}, {"pk": True}, {"id": ""}])
def test_what_names_no_identifier_is_no_data_file(item: object) -> None:
    assert parse_file(item) is None


def test_a_hash_that_the_server_computed_is_believed_before_a_tag() -> None:
    found = parse_file({"id": 1, "sha256": OTHER_HASH.upper(), "tags": [sha256_tag(HASH)]})
    assert found is not None
    assert found.sha256 == OTHER_HASH


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("a b.fits", "a_b.fits"),
        ("a b.fits", "a_b_Xy12345.fits"),
        ("M31.fits.gz", "M31_abcdefg.fits.gz"),
        ("dir\\a.fits", "a.fits"),
        ("M 31 (1).fits", "M_31_1.fits"),
    ],
)
def test_what_a_server_makes_of_a_name_is_recognised(sent: str, stored: str) -> None:
    there = replace(THERE, name=stored)
    assert RemoteIndex([there]).maybe_renamed(sent, 10) == [there]
    assert RemoteIndex([there]).maybe_renamed(sent, 11) == []
    assert RemoteIndex([replace(there, sha256=None)]).maybe_renamed(sent, 10) == []


def test_numbered_names_are_not_taken_for_one_another() -> None:
    index = RemoteIndex(replace(THERE, name=f"M31_{n:07}.fits") for n in range(20))
    assert index.maybe_renamed("M31_0000030.fits", 10) == []
    assert gist("M31_0000030.fits") != gist("M31_0000031.fits")


def test_the_index_finds_a_file_by_the_name_that_it_was_sent_under() -> None:
    index = RemoteIndex()
    index.add(replace(THERE, name="a_b.fits"), sent_as="a b.fits")
    assert index.named("a b.fits") is index.named("a_b.fits") is not None
    assert "a b.fits" in index


@pytest.mark.parametrize(
    ("text", "rate"),
    [("off", None), ("512k", 524288), ("2M", 2097152), ("1.5M", 1572864), ("4096", 4096)],
)
def test_a_rate_is_read_1024_based(text: str, rate: int | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "-1k", "0", "1", "2T", "1e6"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="no rate"):
        parse_rate(text)


class NotedWaits(threading.Event):
    """An event whose waits take no time, and are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return False


def test_the_throttle_lets_a_block_go_and_makes_the_next_one_pay_for_it() -> None:
    stop = NotedWaits()
    throttle = Throttle(1000, monotonic=lambda: 50.0)
    for _ in range(3):
        throttle.take(2000, stop)
    assert stop.waits == [2.0, 4.0]


@pytest.mark.parametrize("senders", [1, 8, 32])
@pytest.mark.parametrize("rate", [256 * 1024, 1024 * 1024, 20 * 1024 * 1024])
def test_over_ten_seconds_the_limit_is_kept_within_five_percent(rate: int, senders: int) -> None:
    """In virtual time: each sender sends a block as soon as it may, then takes the next one."""
    now_s = 0.0

    class Waited(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            nonlocal waited_s
            waited_s = timeout or 0.0
            return False

    throttle = Throttle(rate, monotonic=lambda: now_s)
    chance = random.Random(5)
    ready = [(0.0, sender) for sender in range(senders)]
    sent = 0
    while True:
        now_s, sender = heapq.heappop(ready)
        waited_s = 0.0
        size = min(chance.choice([20_000, 65_536]), rate // 8)
        throttle.take(size, Waited())
        if now_s + waited_s > 10.0:
            break
        sent += size
        heapq.heappush(ready, (now_s + waited_s, sender))
    assert sent == pytest.approx(10 * rate, rel=0.05)


def test_tags_come_as_words_with_commas_or_as_a_list() -> None:
    assert split_tags("a, b,,a") == ("a", "b")
    assert split_tags(["a", "b, c", " "]) == ("a", "b", "c")
    assert split_tags(None) == split_tags("") == split_tags([]) == ()


def test_a_uuid_is_one_in_any_case() -> None:
    assert is_uuid("593512A5-2021-4824-ad6a-91b450744c2e")
    assert not is_uuid("593512a520214824ad6a91b450744c2e")
    assert not is_uuid("night 1")


def test_dataset_names_are_trimmed_and_composed() -> None:
    assert normal_name("  M31 e\u0301toile ") == "M31 étoile"


@pytest.mark.parametrize("telescope", ["t", {"uuid": "t", "name": "Newton"}])
def test_a_datasets_telescope_is_told_by_uuid_or_as_an_object(telescope: object) -> None:
    found = parse_dataset({"uuid": "u", "name": "n", "telescope": telescope})
    assert found is not None
    assert found.telescope == "t"


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (NotReachedError("x"), Trouble.SERVER),
        (BrokenError("x"), Trouble.SERVER),
        (AnswerError("x", status=503), Trouble.SERVER),
        (AnswerError("x", status=429), Trouble.SERVER),
        (AnswerError("x", status=401), Trouble.ALL),
        (RedirectError("x", status=302), Trouble.ALL),
        (AnswerError("x", status=413), Trouble.FILE),
        (BodyChangedError("x"), Trouble.FILE),
        (ArcsecondError("x"), Trouble.FILE),
        (CancelledError("x"), Trouble.STOPPED),
    ],
)
def test_every_failure_is_about_somebody(error: ArcsecondError, trouble: Trouble) -> None:
    assert trouble_of(error) is trouble
