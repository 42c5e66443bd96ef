"""Errors that a person is meant to read: what happened, where, and what to do."""


class OortError(Exception):
    """One line that says what happened; `hint` is the remedy, `exit_code` what a command ends with."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class SettingsError(OortError):
    """config.toml cannot be used; the message names file, line, key and the allowed range."""


class QueueError(OortError):
    """The queue cannot be opened or used; the message says why."""


class LockedError(OortError):
    """Another daemon, or a command, holds this queue; the message names it."""


class RemoteError(OortError):
    """Arcsecond refused, or could not be asked; for commands that ask while somebody waits."""
