"""The engine that builds and holds the catalogue's images: a person's own, or a practice server's.

The practice engine keeps its disk in the lab's home, so that a second run finds what the first
built. What is built on it is in `images`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smartcity_pkg.core.progress import Progress
from smartcity_pkg.lab.lab import Lab

BUILDER = "kominfo"
_USUAL_SOCKET = Path("/var/run/docker.sock")


@contextmanager
def build_engine(progress: Progress) -> Iterator[str]:
    """The address (as in DOCKER_HOST) of an engine to build on, for as long as it is needed.

    DOCKER_HOST decides, then this machine's own engine; where there is none, a practice server is
    started for the time being. Raises LabError where that cannot be.
    """
    if given := os.environ.get("DOCKER_HOST"):
        yield given
    elif _USUAL_SOCKET.exists():
        yield f"unix://{_USUAL_SOCKET}"
    else:
        with Lab("scb") as lab:
            server = lab.up(progress).server(BUILDER, keep_docker=True)
            yield f"unix://{server.docker_socket}"
