"""Where images come from: a Docker Engine, an OCI layout, a docker-archive; chosen by one word."""

from __future__ import annotations

from pathlib import Path

from smartcity_pkg.bundle.sources.archive import archive_source
from smartcity_pkg.bundle.sources.engine import EngineSource
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.sources.source import ImageSource, SourceImage
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _

__all__ = ["ImageSource", "SourceImage", "open_source"]


def open_source(text: str) -> ImageSource:
    """The source that `text` means: `docker`, `docker:<address>`, `oci:<path>`, `archive:<file>`.

    `docker` alone is the engine at DOCKER_HOST, or the local one. UsageError for anything else,
    InputError where a file holds no images.
    """
    kind, _colon, place = text.partition(":")
    if kind == "docker":
        return EngineSource(place or None)
    if kind == "oci" and place:
        return layout_source(Path(place))
    if kind == "archive" and place:
        return archive_source(Path(place))
    raise UsageError(
        _("“{text}” is no source of images").format(text=text),
        _("Write docker, docker:unix:///path/of.sock, oci:PATH or archive:FILE."),
    )
