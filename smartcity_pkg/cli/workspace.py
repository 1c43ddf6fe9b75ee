"""Where a person's files are: profiles, plans, releases and keys in one folder, the workspace.

An empty folder is a workspace too: the apps, templates and example profiles that come with
smartcity stand in for what the folder does not have.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from smartcity_pkg.core.errors import InputError, Problem, UsageError
from smartcity_pkg.core.i18n import _

_PACKAGE = Path(__file__).parent.parent


def shipped(folder: str) -> Path:
    """A folder that comes with smartcity ("bundles", "templates", "examples")."""
    installed = _PACKAGE / "_shipped" / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder


def cache_folder() -> Path:
    """Where things that can be made again are kept, per user."""
    base = os.environ.get("SMARTCITY_CACHE") or os.environ.get("XDG_CACHE_HOME")
    if os.environ.get("SMARTCITY_CACHE"):
        return Path(os.environ["SMARTCITY_CACHE"])
    return Path(base or Path.home() / ".cache") / "smartcity"


def layer_cache() -> Path:
    """Where packed layers are kept, and what was read and made of them."""
    return cache_folder() / "layers"


class Workspace:
    """The folder, and what its parts are called."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def catalogue(self) -> Path:
        """The workspace's own `bundles/`, else the apps that come with smartcity."""
        own = self.root / "bundles"
        return own if own.is_dir() else shipped("bundles")

    @property
    def templates(self) -> Path:
        """The workspace's own `templates/`, else those that come with smartcity."""
        own = self.root / "templates"
        return own if own.is_dir() else shipped("templates")

    @property
    def keys(self) -> Path:
        """Signing keys and trusted public keys."""
        return self.root / "keys"

    @property
    def policy(self) -> Path:
        """What apps may ask for beyond the rules; the file need not be there."""
        return self.root / "policy.yaml"

    @property
    def signing_key(self) -> Path:
        """The private key that signs releases."""
        return self.keys / "release.key"

    @property
    def grant_key(self) -> Path:
        """The private key that signs grants, where it is another than the one for releases."""
        return self.keys / "grant.key"

    @property
    def ring(self) -> Path:
        """Who is trusted to sign what; where it is absent, every `keys/*.pub` is, for all."""
        return self.keys / "trusted.yaml"

    def grant(self, region: str) -> Path:
        """The signed grant of one pemda."""
        return self.root / "grants" / f"{region}.json"

    @property
    def receipts(self) -> Path:
        """Receipts of servers, and the keys that signed each server's first one."""
        return self.root / "receipts"

    def plan(self, region: str) -> Path:
        """The plan of one pemda."""
        return self.root / "plans" / f"{region}.yaml"

    def releases(self, region: str) -> Path:
        """The bundles made for one pemda; their names carry the serial."""
        return self.root / "releases" / region

    def profiles(self) -> list[Path]:
        """Every profile: the workspace's `pemda/`, then examples whose region it does not have."""
        own = sorted((self.root / "pemda").glob("*.yaml"))
        taken = {p.name[:5] for p in own}
        examples = sorted((shipped("examples") / "pemda").glob("*.yaml"))
        return own + [p for p in examples if p.name[:5] not in taken]

    def profile(self, name: str) -> Path:
        """The profile that `name` means: a file, a region code, or part of a file's name."""
        if name.endswith((".yaml", ".yml")) or "/" in name:
            path = Path(name)
            if not path.is_file():
                raise InputError(Problem(_("the file does not exist"), name))
            return path
        found = self._matching(name)
        if len(found) != 1:
            problem = _("no profile matches “{name}”") if not found else _("“{name}” means several")
            raise UsageError(
                problem.format(name=name),
                _("known: {names}; or give the path of a profile file").format(
                    names=", ".join(p.stem for p in (found or self.profiles())) or "-"
                ),
            )
        return found[0]

    def _matching(self, name: str) -> list[Path]:
        """The profile called `name`, else those that have it in their names."""
        known = self.profiles()
        return [p for p in known if name.lower() == p.stem.lower()] or [
            p for p in known if name.lower() in p.stem.lower()
        ]

    def next_serial(self, region: str) -> int:
        """One more than the highest serial among this workspace's releases of a pemda."""
        return max((s for s, _path in self._bundles(region)), default=0) + 1

    def bundle(self, name: str) -> Path:
        """The bundle that `name` means: a path, or the newest release of a pemda's region."""
        path = Path(name)
        if path.exists():
            return path
        if "/" in name or name.endswith(".tar"):
            raise InputError(
                Problem(_("the file does not exist"), name),
                _("Check the path, and that the disk is connected."),
            )
        if not self._matching(name):
            raise UsageError(
                _("“{name}” is neither a bundle nor a pemda").format(name=name),
                _("known pemda: {names}; or give the path of a bundle").format(
                    names=", ".join(p.stem for p in self.profiles()) or "-"
                ),
            )
        region = self.profile(name).stem[:5]
        bundles = self._bundles(region)
        if not bundles:
            raise UsageError(
                _("no release of {region} has been packed in this workspace").format(region=region),
                _("make one: smartcity pack {region}; or give the path of a bundle").format(
                    region=region
                ),
            )
        return max(bundles)[1]

    def bundle_since(self, region: str, name: str) -> Path:
        """An earlier release of a pemda: the path of a bundle, a serial, or a release's name."""
        path = Path(name)
        if path.exists():
            return path
        found = [p for serial, p in self._bundles(region) if name in (str(serial), _stem(p))]
        if not found:
            known = ", ".join(_stem(p) for _serial, p in sorted(self._bundles(region)))
            raise UsageError(
                _("there is no release or receipt “{name}”").format(name=name),
                _("known releases: {names}; or give the path of a bundle or of a receipt").format(
                    names=known or "-"
                ),
            )
        return found[0]

    def _bundles(self, region: str) -> list[tuple[int, Path]]:
        folder = self.releases(region)
        paths = folder.iterdir() if folder.is_dir() else ()
        named = [(re.match(r"(\d+)-[0-9a-f]{12}(\.tar)?$", p.name), p) for p in paths]
        return [(int(match[1]), path) for match, path in named if match]


def _stem(bundle: Path) -> str:
    return bundle.name.removesuffix(".tar")
