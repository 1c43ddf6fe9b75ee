"""Build the base images from Debian packages, and the images of the apps on top of them.

`bundles/_base/NAME/image.yaml` says an image's name and packages, the Dockerfile beside it the
rest. An image is built again only when something that goes into it has changed: the digest of all
that is kept as a label. Catalogue rules are not judged here; a Compose file is only asked what it
builds.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.lab.cache import built, lab_home, recipe_digest, source_date_epoch
from smartcity_pkg.lab.debian import PackageLayer, build_began_s, package_layer
from smartcity_pkg.lab.docker_cli import DockerCli
from smartcity_pkg.lab.rootfs import root_fs
from smartcity_pkg.lab.tarball import write_tree_tar

_BASE_ARG = re.compile(r"^ARG BASE=(\S+)", re.MULTILINE)
_CLIENT_ARG = re.compile(r"^ARG CLIENT=(\S+)", re.MULTILINE)
_ADDED_TAR = re.compile(r"^ADD (rootfs|packages)\.tar /$", re.MULTILINE)
# Catalogue files beside a Dockerfile that are never part of an image: a change of one of them must
# not make another image.
_NOT_CONTEXT = frozenset({"image.yaml", "compose.yaml", "README.md", "templates", "secrets"})


@dataclass(frozen=True)
class BuiltImage:
    """An image that is on the engine now; `fresh` is false when it was there already."""

    name: str
    id: str
    fresh: bool


class ImageFile(BaseModel):
    """`image.yaml` of a base image: its name, and what Debian packages it adds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str
    packages: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    before: str = ""
    after: str = ""


def build_base_images(
    docker_host: str,
    catalogue_dir: Path,
    progress: Progress = no_progress,
    *,
    home: Path | None = None,
) -> list[BuiltImage]:
    """Build every image of `catalogue_dir`/_base that is missing or out of date on the engine."""
    builder = _Builder(docker_host, home or lab_home(), progress)
    folders = {
        f.parent: yamlfile.validate(yamlfile.read(f), ImageFile)
        for f in sorted(catalogue_dir.glob("_base/*/image.yaml"))
    }
    return [
        builder.build_base(folder, folders[folder], folders) for folder in _bases_first(folders)
    ]


def build_app_images(
    docker_host: str,
    catalogue_dir: Path,
    progress: Progress = no_progress,
    only: Collection[str] | None = None,
    *,
    home: Path | None = None,
) -> list[BuiltImage]:
    """Build every image that the Compose files of the apps (all, or `only` these) say to build."""
    builder = _Builder(docker_host, home or lab_home(), progress)
    done = []
    for compose in sorted(catalogue_dir.glob("[!_]*/compose.yaml")):
        if only is None or compose.parent.name in only:
            for image, context, args in _builds(compose):
                done.append(builder.build(image, context, args))
    return done


class _Builder:
    """One engine, and the trees that base images are made of."""

    def __init__(self, docker_host: str, home: Path, progress: Progress) -> None:
        self._home = home
        self._progress = progress
        self._root_fs = root_fs(home, progress)
        self._docker = DockerCli(self._root_fs, docker_host, home)

    def build_base(
        self, folder: Path, image: ImageFile, folders: Mapping[Path, ImageFile]
    ) -> BuiltImage:
        """Build a base image: its Dockerfile, and the archive of a tree if it adds one."""
        added = _ADDED_TAR.search((folder / "Dockerfile").read_text())
        if added is None:
            return self.build(image.image, folder, {})
        name = f"{added.group(1)}.tar"
        archive = self._archive(self._trees(folder, folders), folder.name)
        return self.build(image.image, folder, {}, {name: archive})

    def build(
        self,
        image: str,
        folder: Path,
        args: Mapping[str, str],
        archives: Mapping[str, Path] | None = None,
    ) -> BuiltImage:
        """Build `folder` as `image` unless the engine has just that."""
        with self._context(folder, archives or {}) as context:
            base = args.get("BASE") or _default_base(context / "Dockerfile")
            client = args.get("CLIENT") or _default_client(context / "Dockerfile")
            recipe = recipe_digest(
                {
                    "files": _fingerprint(context, archives or {}),
                    "args": dict(args),
                    "base": self._docker.image(base) if base else None,
                    **({"client": self._docker.image(client)} if client else {}),
                    "epoch": source_date_epoch(),
                }
            )
            present = self._docker.image(image)
            if present is not None and present[1] == recipe:
                return BuiltImage(image, present[0], fresh=False)
            self._progress(Step(_("Building the image {name}").format(name=image)))
            return BuiltImage(image, self._docker.build(image, context, args, recipe), fresh=True)

    def _trees(self, folder: Path, folders: Mapping[Path, ImageFile]) -> list[Path]:
        """The trees of an image and of all below it, the topmost first."""
        base = _default_base(folder / "Dockerfile")
        below = [f for f, image in folders.items() if image.image == base]
        lowers = self._trees(below[0], folders) if below else [self._root_fs.debian]
        image = folders[folder]
        if not image.packages:
            return lowers
        layer = PackageLayer(
            name=folder.name,
            packages=image.packages,
            before=image.before,
            after=image.after,
            excludes=image.excludes,
        )
        return [package_layer(self._home, layer, lowers, self._progress), *lowers]

    def _archive(self, trees: list[Path], name: str) -> Path:
        """The tar of the topmost tree; its digest lies beside it."""
        tree, below = trees[0], trees[1:]

        def make(part: Path) -> None:
            digest = write_tree_tar(
                tree,
                below,
                part / "tree.tar",
                made_after_s=build_began_s(trees[-1]),  # files copied up from below too
                epoch_s=source_date_epoch(),
            )
            (part / "sha256").write_text(digest)

        recipe = {"tree": tree.parent.name, "epoch": source_date_epoch(), "format": 2}
        return built(self._home / "archives" / name, recipe, make) / "tree.tar"

    @contextmanager
    def _context(self, folder: Path, archives: Mapping[str, Path]) -> Iterator[Path]:
        """A copy of `folder` without times and modes of this checkout, and with `archives`."""
        staging = self._home / "contexts"
        staging.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=staging) as made:
            context = Path(made) / "context"
            shutil.copytree(folder, context, ignore=_not_context(folder))
            for path in [context, *context.rglob("*")]:
                executable = path.is_dir() or bool(path.stat().st_mode & 0o100)
                path.chmod(0o755 if executable else 0o644)
                os.utime(path, (source_date_epoch(), source_date_epoch()))
            for name, archive in archives.items():
                (context / name).hardlink_to(archive)
            yield context


def _fingerprint(context: Path, archives: Mapping[str, Path]) -> list[tuple[str, int, str]]:
    """Name, mode and digest of every file of a build."""
    found = []
    for path in sorted(p for p in context.rglob("*") if p.is_file()):
        name = str(path.relative_to(context))
        digest = (
            (archives[name].parent / "sha256").read_text()
            if name in archives
            else hashlib.sha256(path.read_bytes()).hexdigest()
        )
        found.append((name, path.stat().st_mode & 0o777, digest))
    return found


def _not_context(top: Path) -> Callable[[str, list[str]], set[str]]:
    """For `copytree`: leave out catalogue files at the top, and compiled files anywhere."""

    def ignored(folder: str, names: list[str]) -> set[str]:
        left_out = _NOT_CONTEXT if Path(folder) == top else frozenset[str]()
        return {name for name in names if name in left_out or name == "__pycache__"}

    return ignored


def _default_base(dockerfile: Path) -> str:
    found = _BASE_ARG.search(dockerfile.read_text())
    return found.group(1) if found else ""


def _default_client(dockerfile: Path) -> str:
    """The image whose programs a Dockerfile copies, if it does."""
    found = _CLIENT_ARG.search(dockerfile.read_text())
    return found.group(1) if found else ""


def _bases_first(folders: Mapping[Path, ImageFile]) -> list[Path]:
    """The folders in an order in which each image comes after the one it stands on."""
    names = {image.image: folder for folder, image in folders.items()}
    ordered: list[Path] = []

    def add(folder: Path, above: tuple[Path, ...]) -> None:
        if folder in above:
            raise InputError(
                Problem(_("this image stands on itself"), file=str(folder / "Dockerfile"))
            )
        dockerfile = folder / "Dockerfile"
        for image in (_default_base(dockerfile), _default_client(dockerfile)):
            below = names.get(image)
            if below is not None and below not in ordered:
                add(below, (*above, folder))
        if folder not in ordered:
            ordered.append(folder)

    for folder in folders:
        add(folder, ())
    return ordered


def _builds(compose: Path) -> Iterator[tuple[str, Path, dict[str, str]]]:
    """(image, context, build arguments) of every service with a `build` section."""
    content: dict[str, Any] = yamlfile.read(compose).data or {}
    for service in content.get("services", {}).values():
        build = service.get("build")
        if build is None:
            continue
        section: dict[str, Any] = {"context": build} if isinstance(build, str) else build
        args = section.get("args") or {}
        if isinstance(args, list):
            args = dict(str(item).split("=", 1) for item in args)
        yield (
            str(service["image"]),
            (compose.parent / str(section.get("context", "."))).resolve(),
            {str(key): str(value) for key, value in args.items()},
        )
