"""Programs of Debian 13 that checks need and this machine need not have: from packages, apart.

A program is run where it was unpacked; nothing is installed into the machine.
"""

from __future__ import annotations

from pathlib import Path

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, no_progress
from smartcity_pkg.lab.cache import lab_home
from smartcity_pkg.lab.debian import PackageLayer, debian_tree, package_layer


def debian_program(name: str, progress: Progress = no_progress) -> Path:
    """The program `name` from the package of that name; LabError where it has none.

    Only programs that need no more than the C library run on another Debian: those written in Go.
    """
    home = lab_home()
    tree = package_layer(home, PackageLayer(name, (name,)), [debian_tree(home, progress)], progress)
    program = tree / "usr/bin" / name
    if not program.is_file():
        raise LabError(_("the Debian package {name} has no program of its name").format(name=name))
    return program
