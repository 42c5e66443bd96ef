"""What a fresh storage holds: one account, one portal of its own, three telescopes, no dataset."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from arcsecond.sandbox.store import timestamp
from arcsecond.sandbox.values import PERSONAL

if TYPE_CHECKING:
    from arcsecond.sandbox.store import Store

USERNAME = "stargazer"
PORTAL = "rehearsal"
_SITE = {
    "name": "Rehearsal Hill",
    "nickname": "",
    "alternate_names": "",
    "IAUCode": "",
    "acronym": "RH",
    "homepage_url": "",
    "coordinates": {"longitude": -70.4045, "latitude": -24.6272, "height": 2635.0},
    "address": {"country": "Chile", "time_zone_id": "America/Santiago"},
    "telescopes": [],
    "images": [],
}


def seed(store: Store) -> None:
    """Fill a storage that has no account yet; leave any other one as it is."""
    if store.accounts():
        return
    with store.writing():
        store.add_account(
            USERNAME,
            f"{USERNAME}@sandbox.invalid",
            {"first_name": "Star", "last_name": "Gazer", "membership_date": timestamp()},
        )
        site = str(uuid.uuid4())
        store.put_object("observingsites", PERSONAL, site, {"uuid": site, **_SITE})
        add_telescope(store, PERSONAL, site, "Rehearsal 0.5 m", "rehearsal-05")
        add_telescope(store, PERSONAL, site, "Rehearsal Astrograph", "rehearsal-astrograph")
    add_portal(store, PORTAL, role="admin")


def add_portal(store: Store, subdomain: str, *, role: str | None) -> dict[str, Any]:
    """Add a portal with one telescope; `role` is that of the account, None for a stranger."""
    known = store.object("organisations", PERSONAL, subdomain)
    if known is None:
        (site, *_) = store.objects("observingsites", PERSONAL)
        telescope = add_telescope(
            store, subdomain, site["uuid"], f"Telescope of {subdomain}", f"{subdomain}-1m"
        )
        known = {
            "pk": store.next_pk(),
            "name": f"Observatory {subdomain}",
            "acronym": subdomain[:4].upper(),
            "subdomain": subdomain,
            "date_created": timestamp()[:10],
            "website_url": "",
            "observing_sites": [site["uuid"]],
            "telescopes": [telescope["uuid"]],
            "telescope_activations": [],
        }
        store.put_object("organisations", PERSONAL, subdomain, known)
    store.set_role(store.accounts()[0].username, subdomain, role)
    return known


def add_telescope(store: Store, portal: str, site: str, name: str, alias: str) -> dict[str, Any]:
    """Add a telescope on an observing site, and name it there."""
    place = store.object("observingsites", PERSONAL, site) or {}
    ident = str(uuid.uuid4())
    telescope = {
        "uuid": ident,
        "name": name,
        "acronym": "",
        "alias": alias,
        "coordinates": place.get("coordinates", {}),
        "observing_site": site,
        "instruments": [],
        "images": [],
    }
    store.put_object("telescopes", portal, ident, telescope)
    place["telescopes"] = [*place.get("telescopes", []), ident]
    store.put_object("observingsites", PERSONAL, site, place)
    return telescope
