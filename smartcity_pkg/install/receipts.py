"""The receipts that a server keeps: who had signed a release, checked when, by which keys.

They lie in the release's folder, beside its files, and go with it. What they say is
`bundle.receipt`'s.
"""

from __future__ import annotations

import contextlib

from pydantic import ValidationError

from smartcity_pkg.bundle.receipt import Receipt, Receipts
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.store import Store
from smartcity_pkg.install.place import Place


def keep(place: Place, name: str, receipt: Receipt) -> None:
    """Put `receipt` beside the files of the release `name`, with that of its shipment.

    Of several by one step the last stays. May be called twice.
    """
    store = Store(place.host, place.store)
    store.prepare()
    kept = read(place, name)
    shipped = store.read(place.store.ship_receipt(name))
    if shipped is not None:
        # A record for people: a damaged one must not keep a release from being installed.
        with contextlib.suppress(ValidationError):
            kept = kept.with_receipt(Receipt.model_validate_json(shipped))
    data = kept.with_receipt(receipt).to_json()
    store.write(place.store.receipts(name), data, _("the receipt"))


def read(place: Place, name: str) -> Receipts:
    """What is kept of the release `name`; nothing where the file is absent or not understood."""
    data = Store(place.host, place.store).read(place.store.receipts(name))
    try:
        return Receipts.model_validate_json(data) if data is not None else Receipts()
    except ValidationError:
        return Receipts()
