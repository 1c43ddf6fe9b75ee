"""What smartcity asks of the thing that runs apps on a server, and the values it answers with.

How the questions are put is the business of each engine (`compose`); what the answers mean for an
installation is judged in `install`.

The contract (tests/contracts/engine.py runs it on real Docker Engines):

- Every method may be called twice; the second call finds the work done.
- Nothing is decided on English text: statuses come from `docker inspect` and exit statuses.
- An image under its pinned reference is whole and on the disk: the reference is given last, after
  the content was proven and synced.
- No image is ever pulled, but by `pull`, and then by its digest alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from smartcity_pkg.catalogue.app import Hook
from smartcity_pkg.catalogue.release import ReleaseImage
from smartcity_pkg.hosts.facts import EngineFacts, ServerFacts


@dataclass(frozen=True)
class Project:
    """One app as an engine is told of it. Paths are absolute on the server.

    `files` stand in order of merging; `networks` are shared with other apps and must exist first.
    """

    name: str
    directory: str
    files: tuple[str, ...]
    env_file: str
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ContainerState:
    """One container of an app as the engine sees it now.

    `health` is "", "starting", "healthy" or "unhealthy" ("" without a health check);
    `health_output` is what the last probe said. `patience_s` is how long the health check itself
    may take to reach a verdict: `start_period_s` plus all retries. `out_of_memory`: the kernel
    killed a process of it for reaching its limit. `files` are the Compose files that the container
    was made from.
    """

    id: str
    project: str
    service: str
    image: str
    image_id: str
    status: str
    running: bool
    health: str
    health_output: str
    patience_s: float
    start_period_s: float
    exit_code: int
    out_of_memory: bool
    restart_count: int
    started_at: str
    files: tuple[str, ...]


class Engine(Protocol):
    """What runs apps; see the module's docstring for the contract."""

    def check(self, facts: ServerFacts) -> EngineFacts:
        """The engine among `facts`; EngineError with the cure where a part of it is missing."""

    def answers(self) -> bool:
        """Whether the engine answers now; within seconds, whatever it does."""

    def whole(self, images: Iterable[ReleaseImage]) -> frozenset[str]:
        """The references under which there is the image that they should name.

        Its layers are compared, and a container is made of it (and removed).
        """

    def load(self, image: ReleaseImage, config: bytes, *, doubt: bool = False) -> None:
        """Bring `image` from the store into the engine, under its reference.

        Layers that the store does not hold must be in the engine. With `doubt` (an earlier load
        was interrupted) every byte is read back; a damaged image is removed and loaded afresh.
        Raises EngineError where the result is not the image, and then leaves its reference as it
        was.
        """

    def pull(self, image: ReleaseImage, name: str) -> None:
        """Bring `image` from a registry into the engine, under its reference.

        `name` is `HOST/NAME@sha256:…`, the digest that of the image's manifest. Raises EngineError
        with the engine's own words where it cannot, or where the result is not the image; then its
        reference stays as it was.
        """

    def remove_image(self, reference: str) -> None:
        """Take a reference away; the content goes with the last one. Does nothing if absent."""

    def up(self, project: Project) -> None:
        """Make the app's containers anew and start them; EngineError if that fails.

        Returning says nothing about health.
        """

    def run_hook(self, project: Project, hook: Hook) -> None:
        """Run a command in a fresh container of a service; EngineError with its last words."""

    def hook_argv(self, project: Project, hook: Hook) -> tuple[str, ...]:
        """The command line of the server that runs a hook in a fresh container.

        Its standard input, output and status are the hook's; both streams may be binary.
        """

    def feed_hook(self, project: Project, hook: Hook, source: str) -> None:
        """Run a hook as `run_hook` does, with the server's file `source` as standard input."""

    def stop(self, project: Project) -> None:
        """Stop the app's containers and keep them."""

    def down(self, project: Project) -> None:
        """Stop and remove the app's containers; its data stays."""

    def purge(self, projects: Sequence[str]) -> None:
        """Remove all that these projects left, for good: containers, data, own networks."""

    def states(self, projects: Sequence[str]) -> tuple[ContainerState, ...]:
        """The containers of these projects, hooks' containers left out, sorted by service."""

    def logs(self, container_id: str, lines: int, since: str = "") -> str:
        """The last lines that a container wrote, oldest first.

        `since`: only those of that long ago (`90m`, `2h`) or from that moment on (RFC 3339).
        """

    def remove_networks(self, names: Sequence[str]) -> None:
        """Remove shared networks that no container uses."""
