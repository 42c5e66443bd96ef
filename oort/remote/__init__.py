"""Everything that Oort asks of Arcsecond; the only importer of the client (`arcsecond`).

    account.py    which key of whom is stored for an API server
    ended.py      how a question ends that got no answer to use: errors and refusals as outcomes
    connection.py one question asked with the account's key, and what of its answer is good to use
    listing.py    a listing, read entry by entry as it arrives
    paging.py     the same from page to page
    reading.py    the server's JSON as frozen values, read leniently
    replies.py    what comes back as a value
    client.py     `Remote`: one server as one worker thread sees it
    (arcsecond.concurrency: how many uploads at a time are worth it, passed on as it is)
    checking.py   what `oort watch` asks before it adds a watch
    examining.py  what `oort doctor` asks of a server

Nothing of requests is known here, and no file of the user is opened.
"""

from arcsecond.concurrency import Concurrency as Concurrency
from arcsecond.concurrency import Tried as Tried
from oort.remote.account import Account as Account
from oort.remote.account import account as account
from oort.remote.account import config_file as config_file
from oort.remote.account import known_apis as known_apis
from oort.remote.checking import WatchCheck as WatchCheck
from oort.remote.checking import check_watch as check_watch
from oort.remote.client import Remote as Remote
from oort.remote.ended import CUT as CUT
from oort.remote.ended import Ended as Ended
from oort.remote.ended import MayNotLookError as MayNotLookError
from oort.remote.ended import NotThereError as NotThereError
from oort.remote.ended import TooLongError as TooLongError
from oort.remote.ended import UnusableListingError as UnusableListingError
from oort.remote.ended import is_passing as is_passing
from oort.remote.ended import is_redirect as is_redirect
from oort.remote.reading import RemoteTelescope as RemoteTelescope
from oort.remote.replies import Absence as Absence
from oort.remote.replies import Reply as Reply
