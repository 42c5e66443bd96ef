"""Has somebody this file open for writing? The kernel knows, and tells by a refused lease.

`fcntl(F_SETLEASE, F_RDLCK)` answers EAGAIN while anybody has the file open for writing, a writable
mapping included whose descriptor is closed already (fcntl(2), measured in 9 µs). It works for the
file's owner and with CAP_LEASE, on local Linux file systems. On NFS and CIFS EAGAIN means nothing
(a client without a delegation or an oplock answers that always), so callers must not ask there.
"""

from __future__ import annotations

import errno
import signal


def has_writer(fd: int) -> bool | None:
    """Tell whether anybody has the file of this read-only descriptor open for writing.

    None where the kernel cannot tell: another system, another owner, a file system without
    leases. Never raises OSError. The lease is dropped at once, since it holds up whoever opens
    the file for writing. Should that happen within these microseconds, the kernel signals this
    process; SIGIO, the default, ends a process that does not ignore it, so SIGURG is asked for,
    which nobody dies of. With SIGIO ignored, or handled, it is safe all the same.
    """
    try:
        import fcntl

        set_signal, set_lease = fcntl.F_SETSIG, fcntl.F_SETLEASE
    except (ImportError, AttributeError):  # Windows; macOS
        return None
    try:
        fcntl.fcntl(fd, set_signal, signal.SIGURG)
        fcntl.fcntl(fd, set_lease, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    try:
        fcntl.fcntl(fd, set_lease, fcntl.F_UNLCK)
    except OSError:
        return None  # it goes with the descriptor
    return False
