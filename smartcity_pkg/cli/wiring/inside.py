"""An image's list of packages out of a bundle, and into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smartcity_pkg.core import atomic
from smartcity_pkg.core.errors import SmartCityError, UsageError
from smartcity_pkg.core.i18n import _, os_text

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.release import ReleaseImage


def sbom_to(path: Path, image: str | None, out: Path | None) -> tuple[ReleaseImage, bytes]:
    """The image of the bundle at `path` and its CycloneDX document, written to `out` if given."""
    from smartcity_pkg.bundle.inspect import sbom_document

    if image is None:
        raise UsageError(
            _("--out needs --sbom: it says where the list of packages goes"),
            _("name the image: smartcity inspect BUNDLE --sbom IMAGE --out FILE"),
        )
    found, document = sbom_document(path, image)
    if out is not None:
        try:
            atomic.write(out, document)
        except OSError as error:
            raise SmartCityError(
                _("{path} cannot be written: {why}").format(path=out, why=os_text(error)),
                _("Check the free space and the permissions, or choose another place."),
            ) from error
    return found, document
