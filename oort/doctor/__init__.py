"""What is wrong here, and the command that mends it: the checks behind `oort doctor`.

    findings.py     what a check answers: `ok`, `warning` or `problem`, in words, with the remedy
    patience.py     a question with a time limit: a dead share must not hang the doctor
    case.py         what the checks work with, each thing found out once
    registry.py     the table of all checks, and how they are run
    remedies.py     commands that several checks give
    home.py         config.toml, whose queue it is, modes of our own files
    account.py      keys, servers, the clock, and where the watches send to
    storage.py      the queue's database, its copies, the disk
    running.py      the daemon, its service, its limits
    folders.py      the watched folders
    tree.py         how many folders a watched folder has, and which cannot be read
    events.py       the kernel's limits of events against the watched folders
    night.py        how nights are named

Everything is read only, and nothing is created. A check is a small function of a case; it knows
neither its own name nor the other checks.
"""

from oort.doctor.case import Case
from oort.doctor.findings import Finding, State
from oort.doctor.registry import CHECKS, examine

__all__ = ["CHECKS", "Case", "Finding", "State", "examine"]
