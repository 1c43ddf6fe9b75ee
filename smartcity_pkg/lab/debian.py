"""Debian trees: the pristine one, and layers of packages on top of it.

A layer is the upper directory of an overlay, so servers and images can share what is below. Which
packages make a server is for `rootfs`, which make an image for `images` to say.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step
from smartcity_pkg.lab.cache import built, locked, recipe_digest, remove_tree, source_date_epoch
from smartcity_pkg.lab.command import run, script

SUITE = "trixie"
# Documents, translations and manual pages are a third of a small tree, and no server shows them.
# Debian's own "slim" images leave out the same; licences stay.
_EXCLUDES = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/lintian/*",
    "/usr/share/bug/*",
)
_INCLUDES = ("/usr/share/doc/*/copyright", "/usr/share/locale/locale.alias")
# Of this machine, of the moment, or empty in a new system. Not a hook of mmdebstrap: that keeps its
# own apt settings in the tree's /tmp until it ends, and without them would clean this machine.
_NOT_PRISTINE = (
    *("etc/resolv.conf", "etc/hostname", "etc/machine-id", "etc/*-", "run/*", "tmp/*"),
    *(
        "var/cache/apt/*.bin",
        "var/cache/ldconfig/*",
        "var/cache/debconf/*",
        "var/lib/dpkg/*-old",
    ),
    *("var/lib/apt/lists/*", "var/log/*.log", "var/log/apt/*"),
)
_BEGAN = "began"
_LISTS_FRESH_S = 6 * 3600
_BUILD_TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class PackageLayer:
    """Packages to install on top of other layers, and what to do around it.

    `before` and `after` are shell text that runs inside the tree; `excludes` are paths that the
    packages bring and this layer leaves out (dpkg's path-exclude patterns).
    """

    name: str
    packages: tuple[str, ...]
    before: str = ""
    after: str = ""
    excludes: tuple[str, ...] = field(default=())


def debian_tree(home: Path, progress: Progress) -> Path:
    """The pristine Debian tree (minbase, trimmed); made once, in about 15 s."""
    recipe = {
        "suite": SUITE,
        "excludes": _EXCLUDES,
        "includes": _INCLUDES,
        "removed": _NOT_PRISTINE,
    }

    def make(part: Path) -> None:
        progress(Step(_("Building a Debian 13 tree from packages")))
        (part / _BEGAN).touch()
        _bootstrap(part / "tree")

    return built(home / "debian13", recipe, make) / "tree"


def package_layer(
    home: Path, layer: PackageLayer, lowers: Sequence[Path], progress: Progress
) -> Path:
    """The tree of what `layer` adds to `lowers` (the topmost first); made once."""

    def make(part: Path) -> None:
        progress(Step(_("Installing Debian packages: {name}").format(name=layer.name)))
        (part / _BEGAN).touch()
        _install(home, layer, lowers, part)

    return built(home / "layers" / layer.name, layer_recipe(layer, lowers), make) / "tree"


def layer_recipe(layer: PackageLayer, lowers: Sequence[Path]) -> str:
    """What decides whether a layer must be made anew: what it says and what it stands on."""
    return recipe_digest(
        {
            "layer": asdict(layer),
            "lowers": [lower.parent.name for lower in lowers],
            "script": Path(script("install.sh")).read_text(),
        }
    )


def build_began_s(tree: Path) -> float:
    """When the making of a tree began; older files in it come out of packages as they are."""
    return (tree.parent / _BEGAN).stat().st_mtime


def _bootstrap(tree: Path) -> None:
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _EXCLUDES]
    options += [f"--dpkgopt=path-include={pattern}" for pattern in _INCLUDES]
    # apt as root: its own user cannot enter a cache below root's home.
    options.append('--aptopt=APT::Sandbox::User "root"')
    run(
        ["mmdebstrap", "--quiet", "--variant=minbase", *options, SUITE, str(tree), "-"],
        stdin="".join(f"{line}\n" for line in debian_sources()).encode(),
        env={**os.environ, "SOURCE_DATE_EPOCH": str(source_date_epoch())},
        timeout_s=_BUILD_TIMEOUT_S,
    )
    for pattern in _NOT_PRISTINE:
        for path in sorted(tree.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                remove_tree(path)
            else:
                path.unlink()


def _install(home: Path, layer: PackageLayer, lowers: Sequence[Path], part: Path) -> None:
    folders = [part / "tree", part / "work", part / "merged"]
    for folder in folders:
        folder.mkdir()
    folders[0].chmod(0o755)
    apt = home / "apt"
    with locked(home / ".apt.lock"):  # one download cache, one writer
        updated = apt / "updated"
        fresh = updated.exists() and time.time() - updated.stat().st_mtime < _LISTS_FRESH_S
        run(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh"),
                script("install.sh"),
                ":".join(map(str, lowers)),
                *map(str, folders),
                str(apt),
                "no" if fresh else "yes",
                layer.before,
                layer.after,
                " ".join(layer.excludes),
                *layer.packages,
            ],
            timeout_s=_BUILD_TIMEOUT_S,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(source_date_epoch())},
        )
        if not fresh:
            updated.touch()
    folders[2].rmdir()


def debian_sources(suite: str = SUITE) -> list[str]:
    """apt lines for a suite, from the mirrors that this machine's own apt is set up with."""
    found = run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
         "Created-By: Packages"]
    )  # fmt: skip
    mirrors: dict[str, str] = {}
    for line in found.splitlines():
        origin, label, address = line.split("|", 2)
        if origin == "Debian":
            mirrors.setdefault(label, address)
    if "Debian" not in mirrors:
        raise LabError(
            _("apt on this machine knows no Debian mirror"),
            _("Run “apt-get update” on a Debian machine whose sources name Debian's main archive."),
        )
    lines = [f"deb {mirrors['Debian']} {name} main" for name in (suite, f"{suite}-updates")]
    if "Debian-Security" in mirrors:
        lines.append(f"deb {mirrors['Debian-Security']} {suite}-security main")
    return lines
