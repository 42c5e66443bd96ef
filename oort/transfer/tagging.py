"""The tags of a stored file: sent with it, and written again where the server's answer lacks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oort.policy.outcome import WatchRefused
from oort.remote import Ended, MayNotLookError, NotThereError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oort.remote import Remote
    from oort.transfer.around import Order


def lacks(stored: Iterable[str], sent: Iterable[str]) -> bool:
    """Tell whether the server's answer lacks one of the tags that were sent."""
    return not {tag.strip() for tag in sent} <= {tag.strip() for tag in stored}


def write_tags(
    order: Order,
    remote: Remote,
    file_id: str,
    *,
    sha256: str | None,
    besides: Iterable[str] = (),
) -> bool:
    """Write the order's tags to a stored file, and keep those that it has `besides`.

    Where the file is not there any more nothing is left to be done. Returns whether the server
    tells which tags the file has now. Raises Ended.
    """
    tags, portal = (*order.tags, *besides), order.watch.portal
    try:
        return remote.write_tags(file_id, tags, portal, sha256=sha256)
    except NotThereError:
        return True
    except MayNotLookError as refused:
        raise Ended(WatchRefused(f"the file's tags: {refused}")) from None
