"""Is last night's data safe? The documents behind `oort status`, `oort uploads`, `oort folders`.

Everything is read: from the queue by connections that cannot write, from the lock whether a daemon
runs, from the daemon's notes how its links and watches are. The shapes are contract.md §3; the JSON
output is these documents as they are.
"""

from oort.status.health import health
from oort.status.overview import overview, uploads, watches
from oort.status.page import NightPace, page
from oort.status.paths import of_path

__all__ = ["NightPace", "health", "of_path", "overview", "page", "uploads", "watches"]
