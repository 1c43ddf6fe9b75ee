"""The release: a plan with its configuration rendered, immutable and numbered.

`Release` is what travels as the bundle's release artifact and what a server keeps. It names every
image by config digest and diffIDs, because these do not depend on a compressor.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from smartcity_pkg.catalogue.app import AppName, AppVersion, Hook, Model, Route
from smartcity_pkg.catalogue.exemption import Exemption
from smartcity_pkg.catalogue.pemda import RegionCode
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.core import digest

MEDIA_TYPE = "application/vnd.smartcity.release.v1+json"
FILES_MEDIA_TYPE = "application/vnd.smartcity.files.v1.tar"


class Layer(Model):
    """One layer of an image: sha256 and size of its uncompressed tar."""

    diff_id: str
    size_bytes: int = Field(ge=0)


class ReleaseImage(Model):
    """One image: what it is made of, and its names.

    `source` is the reference of the app's own Compose file; `reference` is the unique, immutable
    one that servers run (`pinned`). `sbom_digest` is the image's CycloneDX document, which stays in
    the bundle.
    """

    reference: str
    source: str
    config_digest: str
    layers: tuple[Layer, ...]
    architecture: str
    os: str
    sbom_digest: str

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """The layers' diffIDs, lowest first."""
        return tuple(layer.diff_id for layer in self.layers)


def pinned(source: str, config_digest: str) -> str:
    """The reference that servers run: `laksa:1.0.0` becomes `laksa:1.0.0-<12 hex digits>`."""
    name = source if ":" in source.rsplit("/", 1)[-1] else f"{source}:latest"
    return f"{name}-{digest.hex_of(config_digest)[:12]}"


class SecretFile(Model):
    """A secret that a server makes or copies: where it goes and which uid reads it.

    `source` is `<app>/<name>`, the secret's identity; `path` is relative to the server's secrets
    folder. Two files of one source hold the same value.
    """

    source: str
    path: str
    uid: int


class ReleaseApp(Model):
    """What installing one app on one server needs to know.

    Paths are relative to the release's folder; the Compose files stand in order of merging.
    `config_digest` changes exactly when a file of the app changed, so that an unchanged app stays
    untouched (together with its images: `Release.identity`). `after` names apps that must be
    healthy first.
    """

    app: AppName
    version: AppVersion
    server: AppName
    project: str
    compose_files: tuple[str, ...]
    env_file: str
    services: tuple[str, ...]
    images: tuple[str, ...]
    networks: tuple[str, ...]
    secrets: tuple[SecretFile, ...] = ()
    routes: tuple[Route, ...] = ()
    migrate: Hook | None = None
    backup: Hook | None = None
    restore: Hook | None = None
    verify: Hook | None = None
    after: tuple[AppName, ...] = ()
    config_digest: str


class Release(Model):
    """Everything that one installation is made of, except the images' own bytes.

        `files` maps the path of each rendered file to its digest; the files travel as one tar.
        `grant_digest` is that of the signed grant, without which no release is installed.
    `entrance_ports` maps a server to the HTTP port of its gateway, where it has one. `exemptions`
    are those of the workspace's policy that its apps need: a server accepts exactly these.
    """

    schema_version: Literal[1] = 1
    region: RegionCode
    serial: int = Field(ge=1)
    plan: Plan
    apps: tuple[ReleaseApp, ...]
    images: tuple[ReleaseImage, ...]
    files: dict[str, str]
    files_digest: str
    grant_digest: str = ""
    entrance_ports: dict[AppName, int] = {}
    exemptions: tuple[Exemption, ...] = ()

    def to_json(self) -> bytes:
        """The canonical bytes; their digest identifies the release."""
        return digest.canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """sha256 of the canonical bytes."""
        return digest.of_bytes(self.to_json())

    @property
    def name(self) -> str:
        """`<serial>-<12 hex digits>`: the release's folder on a server."""
        return f"{self.serial}-{digest.hex_of(self.digest)[:12]}"

    def on_server(self, server: str) -> tuple[ReleaseApp, ...]:
        """The apps of one server, providers first."""
        return tuple(a for a in self.apps if a.server == server)

    def images_on(self, server: str) -> tuple[ReleaseImage, ...]:
        """The images that one server needs, sorted by reference."""
        wanted = {i for a in self.on_server(server) for i in a.images}
        return tuple(i for i in self.images if i.reference in wanted)

    def identity(self, app: ReleaseApp) -> str:
        """A digest that is equal for two releases exactly when installing `app` changes nothing."""
        pins = [self.image(i).config_digest for i in app.images]
        return digest.of_bytes(digest.canonical_json([app.config_digest, pins]))

    def image(self, reference: str) -> ReleaseImage:
        """The image called `reference`; KeyError where there is none."""
        for image in self.images:
            if image.reference == reference:
                return image
        raise KeyError(reference)
