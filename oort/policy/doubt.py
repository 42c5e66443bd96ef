"""What a row is in doubt about: whether the file is at the server already, unknown to us.

A doubt is written down before the first byte goes out, so that a crash leaves one. It is raised by
an attempt whose outcome is not known, lowered by asking, and left alone by everything else: a
refusal says nothing of an earlier attempt whose answer was lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Doubt:
    """The flags of a row that say what must be asked before a byte is sent again."""

    ask_first: bool = False
    """The file may be at the server from before us: the first scan, or a lost database."""
    may_be_stored: bool = False
    """An attempt of ours sent bytes, and its outcome is not known."""
    body_complete: bool = False
    """Such an attempt sent the whole body: the server may still be busy storing it."""
    asked_complete: bool = False
    """The server was asked once since, and the file was not there."""

    def raised(self, *, body_complete: bool) -> Doubt:
        """Return the doubt after an attempt that sent bytes and whose outcome is not known."""
        return replace(
            self,
            may_be_stored=True,
            body_complete=self.body_complete or body_complete,
            # What was asked before says nothing of a body that was completed since.
            asked_complete=self.asked_complete and not body_complete,
        )

    def asked(self) -> Doubt:
        """Return the doubt after the server said that there is no such file."""
        if self.must_be_asked_again:
            return replace(self, asked_complete=True)
        return NO_DOUBT

    @property
    def must_be_asked_again(self) -> bool:
        """Whether one "not there" is not enough: a complete body may still be on its way."""
        return self.may_be_stored and self.body_complete and not self.asked_complete


NO_DOUBT: Final = Doubt()
