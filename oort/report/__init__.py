"""One night as a ledger: the document of `oort report`, and the page that an observatory prints.

sources.py   what the queue, its notes and the settings say of a night
document.py  the sums as contract.md §3 words them
plot.py      files over time, seen against safe, as lines of an SVG
page.py      the self-contained HTML page, written in one step
"""

from oort.report.document import document_of
from oort.report.sources import Night, read_night

__all__ = ["Night", "document_of", "read_night"]
