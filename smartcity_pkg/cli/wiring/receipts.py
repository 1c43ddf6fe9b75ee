"""Checking a whole bundle, and the receipt of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.keys import trusted_keys
from smartcity_pkg.cli.workspace import cache_folder
from smartcity_pkg.core import atomic

if TYPE_CHECKING:
    from smartcity_pkg.bundle.checked import CheckedBundles
    from smartcity_pkg.bundle.contents import BundleContents
    from smartcity_pkg.bundle.layout import PartedTar
    from smartcity_pkg.bundle.receipt import Receipt, Step

_MAX_BYTES = 1 << 20


def verify_bundle(
    session: Session,
    source: Path | PartedTar,
    key: Path | None,
    receipt: Path | None,
    step: Step = "verify",
    *,
    again: bool = True,
) -> tuple[BundleContents, Receipt]:
    """Verify the bundle at `source` wholly; the receipt goes to `receipt` where that is given.

    Layers that this machine has read before are read `again`, or not.
    """
    from smartcity_pkg.bundle.receipt import Check, of_bundle
    from smartcity_pkg.bundle.verify import verify
    from smartcity_pkg.install.lock import this_process

    trusted = trusted_keys(session, key)
    contents = verify(source, trusted, session.progress, checked=checked_bundles(), again=again)
    made = of_bundle(contents, trusted, Check(step, this_process(), datetime.now(UTC)))
    if receipt is not None:
        atomic.write(receipt, made.to_json() + b"\n")
    return contents, made


def checked_bundles() -> CheckedBundles:
    """The bundles whose layers this machine has read, or written itself."""
    from smartcity_pkg.bundle.checked import CheckedBundles

    return CheckedBundles(cache_folder() / "checked")


def receipt_beside(path: Path) -> Receipt | None:
    """The receipt that lies beside a bundle as `<bundle>.receipt.json`; None where it is none."""
    from pydantic import ValidationError

    from smartcity_pkg.bundle.receipt import Receipt

    try:
        with path.with_name(f"{path.name}.receipt.json").open("rb") as stream:
            return Receipt.model_validate_json(stream.read(_MAX_BYTES))
    except (OSError, ValidationError):
        return None
