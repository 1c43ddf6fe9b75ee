"""Which images a docker-archive holds: the file that `docker save` or `podman save` wrote.

Old engines (20.10) put layers at `ID/layer.tar`, newer ones at `blobs/sha256/…`; manifest.json maps
images to both. Source: moby, image/tarexport.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from smartcity_pkg.bundle import strictjson
from smartcity_pkg.bundle.sources.source import familiar
from smartcity_pkg.bundle.sources.stored import (
    StoredImage,
    StoredSource,
    bad_source,
    open_files,
    read_small,
)
from smartcity_pkg.core.i18n import _

MANIFEST_FILE = "manifest.json"


class SavedImage(BaseModel):
    """One entry of manifest.json."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    config: str = Field(alias="Config")
    repo_tags: list[str] | None = Field(None, alias="RepoTags")
    layers: list[str] = Field(alias="Layers")


_SAVED = TypeAdapter(list[SavedImage])


def saved_images(data: bytes) -> list[SavedImage]:
    """The entries of a manifest.json; ValueError where it is malformed."""
    strictjson.loads(data)
    return _SAVED.validate_json(data)


def archive_source(path: Path) -> StoredSource:
    """The images of the docker-archive at `path`; InputError where it is none."""
    files = open_files(path)
    try:
        saved = saved_images(read_small(files, MANIFEST_FILE))
    except (strictjson.UnsafeJsonError, ValidationError) as error:
        raise bad_source(path, _("{name} is damaged").format(name=MANIFEST_FILE)) from error
    images = [
        StoredImage(
            frozenset(familiar(tag) for tag in entry.repo_tags or ()),
            entry.config,
            tuple(entry.layers),
        )
        for entry in saved
    ]
    return StoredSource(files, images)
