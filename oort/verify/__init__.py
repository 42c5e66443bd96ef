"""`oort verify`: folder, queue and server compared, in bulk.

run.py        one watch: what lies in its folder, what the queue has, what the server lists
dataset.py    one dataset: its one listing, compared as it arrives
bookmark.py   how far an interrupted verify had come
"""

from oort.verify.bookmark import Bookmark as Bookmark
from oort.verify.run import Result as Result
from oort.verify.run import Verifying as Verifying
