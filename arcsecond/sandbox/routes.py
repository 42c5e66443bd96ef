"""Paths, and the views that answer them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

View = Callable[..., Awaitable[Response]]
"""Called with the Exchange and what the path's braces held."""

NOTHING: frozenset[str] = frozenset()
READ = frozenset({"GET"})
READ_AND_WRITE = frozenset({"GET", "POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Route:
    """A path (`/datasets/{}/`), the view of each method, and where it may be asked."""

    path: str
    views: Mapping[str, View]
    personal: bool = True
    """Exists without a portal's prefix."""
    portal: bool = False
    """Exists behind a portal's prefix."""
    open: bool = False
    """Needs no key."""
    upload_key: frozenset[str] = READ
    """The methods that an upload key may use here; DELETE is never one of them."""
    writer: str = "member"
    """The role that it takes to write here, in a portal."""
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.escape(self.path).replace(r"\{\}", "([^/]+)")
        object.__setattr__(self, "pattern", re.compile(pattern))

    @property
    def allow(self) -> str:
        """The methods, as the header `Allow` lists them."""
        return ", ".join([*self.views, *(["HEAD"] if "GET" in self.views else []), "OPTIONS"])

    @property
    def first_word(self) -> str:
        """The word that no portal may be called."""
        return self.path.split("/", 2)[1]


def find(
    routes: Sequence[Route], path: str, *, in_portal: bool
) -> tuple[Route, tuple[str, ...]] | None:
    """Return the route of a path with what its braces hold, or None."""
    for route in routes:
        if (route.portal if in_portal else route.personal) and (
            match := route.pattern.fullmatch(path)
        ):
            return route, match.groups()
    return None
