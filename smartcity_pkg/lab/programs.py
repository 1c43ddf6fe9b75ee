"""Programs of Debian 13 that read what smartcity writes: cosign and skopeo, run on this machine.

They come from the same packages as the practice servers' trees and run beside whatever this machine
has: with their own dynamic linker and libraries, without a mount. Tests and benchmarks use them.
"""

from __future__ import annotations

from pathlib import Path

from smartcity_pkg.core.progress import Progress, no_progress
from smartcity_pkg.lab.cache import lab_home
from smartcity_pkg.lab.debian import PackageLayer, debian_tree, package_layer

_READERS = PackageLayer(name="readers", packages=("cosign", "skopeo"))
_LINKER = "usr/lib64/ld-linux-x86-64.so.2"
_LIBRARIES = "usr/lib/x86_64-linux-gnu"


class Readers:
    """The programs; `argv` runs one of them."""

    def __init__(self, home: Path | None = None, progress: Progress = no_progress) -> None:
        home = home or lab_home()
        self._debian = debian_tree(home, progress)
        self._tree = package_layer(home, _READERS, [self._debian], progress)

    def argv(self, program: str, *words: str) -> list[str]:
        """The command line that runs `program` ("cosign", "skopeo") with `words`."""
        libraries = ":".join(str(tree / _LIBRARIES) for tree in (self._tree, self._debian))
        return [
            *(str(self._debian / _LINKER), "--library-path", libraries),
            str(self._tree / "usr/bin" / program),
            *words,
        ]
