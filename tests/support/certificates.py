"""Certificates of an authority made for one test: good ones, and each kind of bad one."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path


class Authority:
    """An authority whose bundle lies in `folder`; each method returns a server's TLS."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.bundle = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.bundle))

    def good(self) -> ssl.SSLContext:
        """Return what a client that trusts the bundle believes."""
        return _served(self._authority.issue_cert("127.0.0.1"))

    def expired(self) -> ssl.SSLContext:
        """Return a certificate whose time is over."""
        over = datetime(2020, 1, 1, tzinfo=UTC)
        return _served(self._authority.issue_cert("127.0.0.1", not_after=over))

    def not_yet_valid(self) -> ssl.SSLContext:
        """Return a certificate whose time has not come."""
        begin = datetime(2090, 1, 1, tzinfo=UTC)
        return _served(
            self._authority.issue_cert(
                "127.0.0.1", not_before=begin, not_after=begin + timedelta(days=90)
            )
        )

    def valid_for(self, *, days_ago: int, days_on: int) -> ssl.SSLContext:
        """Return a certificate that is good from so many days ago until so many days from now."""
        now = datetime.now(UTC)
        return _served(
            self._authority.issue_cert(
                "127.0.0.1",
                not_before=now - timedelta(days=days_ago),
                not_after=now + timedelta(days=days_on),
            )
        )

    def of_another_host(self) -> ssl.SSLContext:
        """Return a good certificate of another host."""
        return _served(self._authority.issue_cert("elsewhere.example"))

    @staticmethod
    def of_nobody_known() -> ssl.SSLContext:
        """Return a certificate that another authority has signed."""
        return _served(trustme.CA().issue_cert("127.0.0.1"))


def _served(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
