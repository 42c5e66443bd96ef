"""The daemon's warnings: what `oort status` shows until it is over, each topic once."""

from __future__ import annotations

import threading
from typing import Final

MOST: Final = 50
"""So many topics are kept; the oldest give way."""


class Warnings:
    """Said by any thread; a topic said again replaces what was said of it before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}

    def say(self, topic: str, text: str) -> bool:
        """Show `text` until the topic is taken back or the daemon ends; tell whether it is news."""
        with self._lock:
            is_news = self._said.pop(topic, None) != text
            self._said[topic] = text
            while len(self._said) > MOST:
                del self._said[next(iter(self._said))]
        return is_news

    def unsay(self, topic: str) -> None:
        """Take a topic back: it is over."""
        with self._lock:
            self._said.pop(topic, None)

    def said(self) -> list[str]:
        """Return all that is to be shown."""
        with self._lock:
            return list(self._said.values())
