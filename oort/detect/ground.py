"""The ground of a watch: is the watched folder there, is it the one it was, is it on a network?

It is looked at every few seconds, more often while it is missing, and at once where something is in
doubt. Nothing is concluded from absence while the folder itself is not there.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import structlog

from oort.detect.mounts import RootState, is_network, look_at_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oort.detect.mounts import RootIdentity, RootLook

HEALTH_S: Final = 5.0
"""Between two looks at the watched folder itself."""
MISSING_S: Final = 2.0
"""The same while it is missing."""


class Footing(Enum):
    """What a look at the ground means for who works on it."""

    SAME = auto()
    """It is as it was: go on."""
    ARRIVED = auto()
    """The folder is there, for the first time, again, or as another one: see what is in it."""
    MISSING = auto()
    """It is not there: stand still until it is."""


class Ground:
    """Owned by the intake's thread; all moments are of the monotonic clock.

    `identity` is the one that `on_identity` told last, be it before a restart; None: there is none.
    """

    def __init__(
        self,
        root: Path,
        identity: RootIdentity | None,
        *,
        name: str,
        on_identity: Callable[[RootIdentity], None],
    ) -> None:
        self._root = root
        self._identity = identity
        self._on_identity = on_identity
        self._log = structlog.get_logger("oort.detect").bind(watch=name)
        self._has_arrived = False
        self._is_healthy: bool | None = None
        """What the disk said in this step; None: it was not asked yet."""
        self.missing: str | None = None
        """Why the watched folder is not there, in words."""
        self.is_network = False
        """Whether it is on a file system that gives no events of other hosts' changes."""
        self.due_at = 0.0
        """When the folder is to be looked at again."""

    def begin_step(self) -> None:
        """Forget what the disk said: `absence_counts` asks it again."""
        self._is_healthy = None

    def doubt(self) -> None:
        """Have the folder looked at as soon as possible."""
        self.due_at = 0.0

    def look(self, now: float) -> Footing:
        """Look at the folder, where that is due, and say what follows."""
        if now < self.due_at:
            return Footing.SAME
        look = self._look()
        self._is_healthy = look.is_healthy
        if look.state is RootState.MISSING:
            self.due_at = now + MISSING_S
            self._lose(look.reason)
            return Footing.MISSING
        self.due_at = now + HEALTH_S
        if look.identity is not None and look.identity != self._identity:
            if self._identity is not None:
                self._log.warning("watch.taken_over", text="another folder is at its place now")
            self._has_arrived = False
            self._on_identity(look.identity)
            self._identity = look.identity  # last: what could not be told is told at the next look
        if self._has_arrived:
            return Footing.SAME
        self._arrive()
        return Footing.ARRIVED

    def absence_counts(self) -> bool:
        """Tell whether a file that is not there may be gone; asked of the disk once a step."""
        if self._is_healthy is None:
            self._is_healthy = self._look().is_healthy
            if not self._is_healthy:
                self.doubt()
        return self._is_healthy

    def _look(self) -> RootLook:
        return look_at_root(self._root, self._identity)

    def _lose(self, reason: str) -> None:
        if self.missing is None:
            self._log.warning("watch.missing", reason=reason)
        self.missing = reason
        self._has_arrived = False

    def _arrive(self) -> None:
        if self.missing is not None:
            self._log.info("watch.returned")
        self.missing = None
        self._has_arrived = True
        self.is_network = is_network(self._root)
