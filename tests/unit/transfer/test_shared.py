from __future__ import annotations

import threading

import pytest

from oort.policy.outcome import Interrupted
from oort.remote import Ended
from oort.transfer.shared import LISTING_LASTS_S, Listings, Shared, Turns
from oort.values import RemoteFile
from tests.support.wait import wait_until


def test_facts_are_kept_until_they_are_forgotten() -> None:
    shared = Shared(monotonic=lambda: 0.0)
    shared.note("fresh", "u1")
    assert shared.knows("fresh", "u1")
    assert not shared.knows("fresh", "u2")
    shared.forget("fresh", "u1")
    assert not shared.knows("fresh", "u1")


def test_one_at_a_time_has_the_turn() -> None:
    turns, stop = Turns(), threading.Event()
    inside, most, done = 0, 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most, done
        for _ in range(50):
            with turns.of("key", stop):
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1
                    done += 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == (1, 200)


def test_other_keys_do_not_wait() -> None:
    turns, stop = Turns(), threading.Event()
    with turns.of("one", stop), turns.of("two", stop):
        pass


def test_who_waits_for_a_turn_can_be_stopped() -> None:
    turns, stop = Turns(), threading.Event()
    endings: list[object] = []

    def wait() -> None:
        try:
            with turns.of("key", stop):
                endings.append("had the turn")
        except Ended as ended:
            endings.append(ended.outcome)

    with turns.of("key", threading.Event()):
        thread = threading.Thread(target=wait)
        thread.start()
        stop.set()
        wait_until(lambda: endings)
    thread.join()
    assert isinstance(endings[0], Interrupted)
    with turns.of("key", stop):  # it is free again
        pass


def test_a_turn_is_given_back_by_an_error() -> None:
    turns, stop = Turns(), threading.Event()
    with pytest.raises(ZeroDivisionError), turns.of("key", stop):
        _ = 1 / 0
    with turns.of("key", stop):
        pass


def test_a_listing_lasts_a_while() -> None:
    now = 0.0
    listings = Listings(lambda: now)
    assert listings.is_due("u")
    listings.keep("u", {"a": [RemoteFile("1", "a", 1)]})
    assert not listings.is_due("u")
    assert listings.of("u")
    listings.forget_old()
    assert listings.of("u")
    now = LISTING_LASTS_S + 1
    assert listings.is_due("u")
    listings.forget_old()
    assert listings.of("u") is None


def test_a_listing_that_cannot_be_had_is_not_tried_soon_again() -> None:
    listings = Listings(lambda: 0.0)
    assert not listings.cannot_be_had("u")
    listings.keep("u", None)
    assert listings.of("u") is None
    assert not listings.is_due("u")
    assert listings.cannot_be_had("u")
    listings.keep("u", {})
    assert not listings.cannot_be_had("u")


def test_those_that_were_asked_for_are_counted_until_a_listing_is_read() -> None:
    listings = Listings(lambda: 0.0)
    assert [listings.asked("u") for _ in range(3)] == [1, 2, 3]
    assert listings.asked("v") == 1
    listings.keep("u", {})
    assert listings.asked("u") == 1


def test_those_that_were_asked_for_long_ago_are_not_counted() -> None:
    now = 0.0
    listings = Listings(lambda: now)
    assert [listings.asked("u") for _ in range(2)] == [1, 2]
    now = LISTING_LASTS_S
    listings.forget_old()
    assert listings.asked("u") == 3
    now = 2 * LISTING_LASTS_S + 1
    listings.forget_old()
    assert listings.asked("u") == 1


def test_a_listing_tells_for_good_which_names_may_have_been_given_others() -> None:
    now = 0.0
    listings = Listings(lambda: now)
    assert listings.may_be_renamed("u", {"a.fits"})
    listings.keep("u", None)
    assert listings.may_be_renamed("u", {"a.fits"})

    one, other = RemoteFile("1", "a_h2Gk30x.fits", 1), RemoteFile("2", "b.fits", 1)
    listings.keep("u", {"a_h2Gk30x.fits": [one], "a.fits": [one], "b.fits": [other]})
    now = LISTING_LASTS_S + 1
    listings.forget_old()

    assert listings.may_be_renamed("u", {"a.fits"})
    assert not listings.may_be_renamed("u", {"b.fits"})
    assert not listings.may_be_renamed("u", {"new.fits"})
