"""Real layers for the workload: a Debian base in two versions, pip's packages in two, apps' code.

Made with the ordinary tools (mmdebstrap, pip) and kept in the lab's home. Each making gives what a
rebuild gives: pip's files and their .pyc get new times; files of Debian packages keep the times
that they have in the package. Which layers make which image is `workload`'s.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from smartcity_pkg.lab.cache import built
from smartcity_pkg.lab.command import run
from smartcity_pkg.lab.debian import debian_sources
from smartcity_pkg.lab.tarball import write_tree_tar

_SUITE = "bookworm"
_BASE_PACKAGES = (
    *("python3", "openssl", "perl", "ca-certificates", "curl", "openssh-client", "gnupg"),
    *("libglib2.0-0", "libkrb5-3", "libicu72", "libxml2", "libxslt1.1", "libpq5", "poppler-utils"),
    *("postgresql-client-15", "sqlite3", "nginx-light", "libpam-modules", "procps"),
)
_EXCLUDES = ("doc", "man", "info", "locale", "lintian", "bug")
_SITE = "usr/local/lib/python3.11/dist-packages"
_PYTHON = "3.11"  # of that suite
_TIMEOUT_S = 1800.0

# Thirty packages that a government's web apps commonly stand on.
_DEPENDENCIES = """
numpy==2.2.4 pandas==2.2.2 pillow==11.1.0 lxml==5.3.0 sqlalchemy==2.0.38 django==5.1.6
djangorestframework==3.15.2 cryptography==44.0.0 requests==2.32.3 urllib3==2.3.0
certifi==2025.1.31 jinja2==3.1.5 pydantic==2.10.5 psycopg==3.2.4 psycopg-binary==3.2.4
gunicorn==23.0.0 celery==5.4.0 redis==5.2.1 fastapi==0.115.6 uvicorn==0.34.0 httpx==0.28.1
pyyaml==6.0.2 openpyxl==3.1.5 aiohttp==3.11.11 babel==2.16.0 reportlab==4.2.5 pyjwt==2.10.1
python-dateutil==2.9.0.post0 bleach==6.2.0 markdown==3.7
"""
# What a month brings: of the thirty, those with a security release, one of them compiled.
_FIXES = """
django==5.1.8 cryptography==44.0.2 requests==2.32.4 jinja2==3.1.6 certifi==2025.4.26
"""
# What a quarter brings: ten of the thirty at a newer patch version, of which five are compiled.
_UPDATES = """
pandas==2.2.3 sqlalchemy==2.0.40 django==5.1.8 cryptography==44.0.2 lxml==5.3.2
requests==2.32.4 urllib3==2.4.0 certifi==2025.4.26 jinja2==3.1.6 aiohttp==3.11.16
"""
UPDATES = {"": "", "fixes": _FIXES, "all": _UPDATES}
# What the largest app carries in its own tree.
_VENDORED = """
networkx==3.4.2 pygments==2.19.1 docutils==0.21.2 xlsxwriter==3.2.0 pypdf==5.1.0
pyparsing==3.2.1
"""


@dataclass(frozen=True)
class Layer:
    """An uncompressed layer: its tar, and the tar's sha256 (diffID without the algorithm)."""

    tar: Path
    sha256: str

    @property
    def size_bytes(self) -> int:
        """Length of the tar."""
        return self.tar.stat().st_size


@dataclass(frozen=True)
class Layers:
    """The layers that are kept in `home`; each is made when it is first asked for."""

    home: Path

    def base(self, *, updated: bool) -> Layer:
        """Debian 12 with the oldest versions that its archives still hold, or with the newest."""
        newest = self._newest_base()
        tree = newest if updated else self._oldest_base(newest)
        return self._packed(f"bench-base-{'new' if updated else 'old'}", tree.parent.name, tree)

    def dependencies(self, *, updates: str, making: int) -> Layer:
        """Thirty packages, with these of `UPDATES`, and what they need; one pip per `making`."""
        wanted = {**_pins(_DEPENDENCIES), **_pins(UPDATES[updates])}
        return self._pip_layer("bench-deps", wanted, _SITE, making)

    def vendored_app(self, name: str, source: Path, edit: str, making: int) -> Layer:
        """An app's own code, `edit` (Python) at the end of a file, with packages in its tree."""
        return self._app_layer(name, source, edit, making, _pins(_VENDORED))

    def app(self, name: str, source: Path, making: int) -> Layer:
        """An app's own code alone."""
        return self._app_layer(name, source, "", making, {})

    # -- Debian ---------------------------------------------------------------------------------

    def _newest_base(self) -> Path:
        recipe = {"suite": _SUITE, "packages": _BASE_PACKAGES, "format": 1}

        def make(part: Path) -> None:
            _bootstrap(part / "tree", ["--skip=cleanup/apt/lists"])

        return built(self.home / "layers" / "bench-newest", recipe, make) / "tree"

    def _oldest_base(self, newest: Path) -> Path:
        def make(part: Path) -> None:
            pins = part / "pins"
            pins.write_text(
                "".join(
                    f"Package: {name}\nPin: version {version}\nPin-Priority: 1001\n\n"
                    for name, version in _oldest_versions(newest).items()
                )
            )
            into = "etc/apt/preferences.d"
            _bootstrap(
                part / "tree",
                [
                    f'--setup-hook=mkdir -p "$1/{into}" && cp {pins} "$1/{into}/oldest"',
                    f'--customize-hook=rm "$1/{into}/oldest"',
                ],
            )

        recipe = {"newest": newest.parent.name, "format": 1}
        return built(self.home / "layers" / "bench-oldest", recipe, make) / "tree"

    # -- pip ------------------------------------------------------------------------------------

    def _pip_layer(self, name: str, packages: dict[str, str], inside: str, making: int) -> Layer:
        recipe = {"packages": packages, "inside": inside, "making": making}
        return self._made(name, recipe, lambda tree: self._install(packages, tree / inside))

    def _app_layer(
        self, name: str, source: Path, edit: str, making: int, vendored: dict[str, str]
    ) -> Layer:
        def make(tree: Path) -> None:
            code = tree / "srv/app"
            if vendored:
                self._install(vendored, code / "vendor")
            ignore = shutil.ignore_patterns("__pycache__", "compose.yaml", "README.md", "templates")
            # Not copy2: a checkout gives every file the time of the checkout.
            shutil.copytree(
                source, code, ignore=ignore, dirs_exist_ok=True, copy_function=shutil.copyfile
            )
            if edit:
                main = code / "app" / "web.py"
                main.write_text(f"{main.read_text()}{edit}")
            run([sys.executable, "-m", "compileall", "-q", str(code)], timeout_s=_TIMEOUT_S)

        recipe = {"source": _digest(source), "edit": edit, "making": making, "vendored": vendored}
        return self._made(f"bench-{name}", recipe, make)

    def _install(self, packages: dict[str, str], target: Path) -> None:
        target.mkdir(parents=True)
        words = [f"{name}=={version}" for name, version in packages.items()]
        wheels = str(self._wheels(words))
        _pip("install", "--target", str(target), "--no-index", "--find-links", wheels, *words)

    def _wheels(self, words: Iterable[str]) -> Path:
        """The wheels of these packages, fetched once, so that each later making is quick."""
        wanted = sorted(words)

        def make(part: Path) -> None:
            _pip("download", "--dest", str(part), *wanted)

        return built(self.home / "archives" / "bench-wheels", wanted, make)

    # -- tars -----------------------------------------------------------------------------------

    def _made(self, name: str, recipe: object, make: Callable[[Path], None]) -> Layer:
        def whole(part: Path) -> None:
            tree = part / "tree"
            tree.mkdir()
            make(tree)
            _write(tree, part)
            shutil.rmtree(tree)

        return _layer(built(self.home / "archives" / name, recipe, whole))

    def _packed(self, name: str, recipe: str, tree: Path) -> Layer:
        return _layer(built(self.home / "archives" / name, recipe, functools.partial(_write, tree)))


def _pins(words: str) -> dict[str, str]:
    return dict(word.split("==") for word in words.split())


def _digest(source: Path) -> str:
    found = hashlib.sha256()
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.parent.name != "__pycache__":
            content = path.read_bytes()
            found.update(f"{path.relative_to(source)} {len(content)}\n".encode() + content)
    return found.hexdigest()


def _write(tree: Path, into: Path) -> None:
    """Files keep their times, to the second; folders get the time of now, as in a build."""
    digest = write_tree_tar(
        tree, [], into / "tree.tar", made_after_s=float("inf"), epoch_s=int(time.time())
    )
    (into / "sha256").write_text(digest)


def _layer(folder: Path) -> Layer:
    return Layer(folder / "tree.tar", (folder / "sha256").read_text())


def _bootstrap(tree: Path, options: list[str]) -> None:
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _EXCLUDES]
    sources = "".join(f"{line}\n" for line in debian_sources(_SUITE))
    run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", *excluded),
            '--aptopt=APT::Sandbox::User "root"',
            f"--include={','.join(_BASE_PACKAGES)}",
            *options,
            _SUITE,
            str(tree),
            "-",
        ],
        stdin=sources.encode(),
        timeout_s=_TIMEOUT_S,
    )


def _oldest_versions(newest: Path) -> dict[str, str]:
    """For each package of the tree, the lowest version that its archives hold."""
    chroot = ["chroot", str(newest)]
    names = run([*chroot, "dpkg-query", "-W", "-f", "${Package}\n"]).split()
    found: dict[str, str] = {}
    for line in run([*chroot, "apt-cache", "madison", *names]).splitlines():
        name, version, place = (part.strip() for part in line.split("|"))
        if re.search(r"\bPackages$", place) and (
            name not in found or _is_older(version, found[name])
        ):
            found[name] = version
    return found


def _is_older(version: str, than: str) -> bool:
    return (
        subprocess.run(["dpkg", "--compare-versions", version, "lt", than], check=False).returncode
        == 0
    )


def _pip(command: str, *words: str) -> None:
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check"]
    wheels = ["--only-binary=:all:", f"--python-version={_PYTHON}"]
    environment = {k: v for k, v in os.environ.items() if k != "SOURCE_DATE_EPOCH"}
    run([*pip, *wheels, *words], timeout_s=_TIMEOUT_S, env=environment)
