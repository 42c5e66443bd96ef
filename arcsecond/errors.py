"""Everything that can go wrong between this machine and Arcsecond, as one tree.

    ArcsecondError                what happened; `.hint` says what to do; `.status` is the HTTP status
    ├── ConfigError               config.ini, an API name or an API address cannot be used
    ├── NotLoggedInError          the request needs a key and none is stored
    ├── InputError                an argument cannot be used (a folder, a dataset, a tag)
    ├── TransportError            no answer came back
    │   ├── NotReachedError       no byte of the request reached the server
    │   ├── BrokenError           the connection broke, or timed out, after bytes went out
    │   ├── CancelledError        we cut it, because the caller asked
    │   └── BodyChangedError      we cut it, because the file changed while it was being sent
    └── AnswerError               the server answered, and it was no success
        ├── RedirectError         3xx: never followed, because the key would travel along
        └── UnclearAnswerError    2xx that proves nothing: empty, cut, HTML, no identifier

`TransportError` and `AnswerError` never mix: the first means that nothing is known of what the
server did, the second that the server spoke. No message of these classes may hold a key.
"""


class ArcsecondError(Exception):
    """What happened, in one line for a person; `hint` is the remedy, `status` the HTTP status."""

    def __init__(self, message: str, *, hint: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status

    def __str__(self) -> str:
        return self.message


class ConfigError(ArcsecondError):
    """config.ini, an API name or an API address cannot be used."""


class NotLoggedInError(ArcsecondError):
    """The request needs a key, and none is stored for that server."""


class InputError(ArcsecondError):
    """An argument cannot be used as it was given."""


class TransportError(ArcsecondError):
    """No answer came back; `bytes_sent` counts the body's bytes handed to the kernel."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        bytes_sent: int = 0,
        body_complete: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.bytes_sent = bytes_sent
        self.body_complete = body_complete


class NotReachedError(TransportError):
    """No byte of the request reached the server: refused, no name, no route, TLS, a proxy."""


class BrokenError(TransportError):
    """The connection broke, or timed out, after bytes went out: the outcome is unknown."""


class CancelledError(TransportError):
    """The caller asked to stop; the connection was reset, so that nothing half is stored."""


class BodyChangedError(TransportError):
    """The file was no longer the same before its closing boundary; the connection was reset."""


class AnswerError(ArcsecondError):
    """The server answered, and it was no success; `words` is what it said, never HTML."""

    def __init__(
        self, message: str, *, status: int, words: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, status=status)
        self.words = words


class RedirectError(AnswerError):
    """3xx: never followed, because the key would travel to whoever was named."""


class UnclearAnswerError(AnswerError):
    """2xx that proves nothing: empty, cut, HTML, or without an identifier."""
