"""The beat of the daemon: it goes on, whatever one beat does, and waits for no wall clock."""

from __future__ import annotations

import threading

from oort.daemon.beat import Beat
from tests.support.wait import wait_until


def test_it_beats_at_once_and_again_and_again() -> None:
    beats: list[None] = []
    beating = Beat(lambda: beats.append(None), every_s=0.01)

    beating.start()

    wait_until(lambda: len(beats) > 3)
    assert beating.is_alive
    beating.stop()
    assert not beating.is_alive


def test_it_beats_when_it_is_asked_to() -> None:
    beats: list[None] = []
    beating = Beat(lambda: beats.append(None), every_s=3600)
    beating.start()
    wait_until(lambda: len(beats) == 1)

    beating.soon()

    wait_until(lambda: len(beats) == 2)
    beating.stop()


def test_a_beat_that_fails_is_followed_by_the_next() -> None:
    beats: list[None] = []

    def beat() -> None:
        beats.append(None)
        raise RuntimeError("this beat went wrong")

    beating = Beat(beat, every_s=0.01)
    beating.start()

    wait_until(lambda: len(beats) > 2)
    beating.stop()


def test_a_beat_may_end_it() -> None:
    ended = threading.Event()
    beating: Beat

    def beat() -> None:
        beating.stop()
        ended.set()

    beating = Beat(beat, every_s=0.01)
    beating.start()

    assert ended.wait(20)
    wait_until(lambda: not beating.is_alive)


def test_a_beat_that_hangs_does_not_keep_the_daemon_from_ending() -> None:
    hold, entered = threading.Event(), threading.Event()

    def beat() -> None:
        entered.set()
        hold.wait()

    beating = Beat(beat, every_s=0.01)
    beating.start()
    assert entered.wait(20)

    beating.stop()

    assert beating.is_alive
    hold.set()
    wait_until(lambda: not beating.is_alive)
