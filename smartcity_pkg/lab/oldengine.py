"""Docker Engine 20.10, the oldest that smartcity supports, for a practice server.

Debian 12's packages, unpacked over the newer engine of the servers' tree; Compose stays the newer
one, because 20.10 came before Compose was its plugin.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Step, no_progress
from smartcity_pkg.lab.cache import built
from smartcity_pkg.lab.command import run
from smartcity_pkg.lab.debian import debian_sources

_SUITE = "bookworm"
_PACKAGES = ("docker.io", "containerd", "runc", "libdevmapper1.02.1")
_TIMEOUT_S = 600.0


def engine_20_10(home: Path, progress: Progress = no_progress) -> Path:
    """The tree for `Lab.server(engine_over=…)`; made once."""

    def make(part: Path) -> None:
        progress(Step(_("Unpacking Docker Engine 20.10 of Debian 12")))
        _download(part / "packages")
        for package in sorted((part / "packages").glob("*.deb")):
            run(["dpkg", "-x", str(package), str(part / "all")])
        shutil.rmtree(part / "packages")
        # Programs and libraries alone, and all under /usr: /lib and /sbin are links on the server.
        for name in ("lib", "sbin", "bin"):
            if (part / "all" / name).is_dir():
                shutil.copytree(
                    part / "all" / name, part / "all/usr" / name, symlinks=True, dirs_exist_ok=True
                )
        (part / "tree").mkdir()
        (part / "all/usr").rename(part / "tree/usr")
        shutil.rmtree(part / "all")

    return built(home / "engine-20.10", [_SUITE, _PACKAGES], make) / "tree"


def _download(folder: Path) -> None:
    """The packages, by an apt that knows Debian 12 and keeps its state to itself."""
    for name in ("lists/partial", "archives/partial"):
        (folder / "apt" / name).mkdir(parents=True)
    sources = folder / "apt" / "sources.list"
    sources.write_text("".join(f"{line}\n" for line in debian_sources(_SUITE)))
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "-",
        "Dir::State": folder / "apt",
        "Dir::State::Status": "/dev/null",
        "Dir::Cache": folder / "apt",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    run([*apt, "update"], timeout_s=_TIMEOUT_S)
    script = 'cd "$1" && shift && exec "$@"'
    run(["sh", "-c", script, "sh", str(folder), *apt, "download", *_PACKAGES], timeout_s=_TIMEOUT_S)
