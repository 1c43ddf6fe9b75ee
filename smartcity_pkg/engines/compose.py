"""Docker Compose on one server, through a `Host`: the engine for pemda with a single machine.

Command lines come from `commands`, the archive for `docker load` from `archive`, and what inspect
prints is read by `inspection`. Whether an app is healthy is judged in `install`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence

from smartcity_pkg.catalogue.app import Hook
from smartcity_pkg.catalogue.release import ReleaseImage
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import DiskFullError, EngineError, RemoteCommandError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import MIB
from smartcity_pkg.engines import archive, commands, inspection
from smartcity_pkg.engines.engine import ContainerState, Project
from smartcity_pkg.hosts.facts import (
    EngineFacts,
    EngineImage,
    ServerFacts,
    gather,
    need_engine,
    start_engine,
)
from smartcity_pkg.hosts.host import Completed, Host
from smartcity_pkg.hosts.packed import unpacked
from smartcity_pkg.hosts.store import StorePaths

_HOOK_TIMEOUT_S = 1800.0
_FEED_TIMEOUT_S = 6 * 3600.0
_COMPOSE_TIMEOUT_S = 300.0
_ANSWER_S = 10.0
_LOAD_BASE_S, _SLOWEST_DISK = 300.0, 2 * MIB  # bytes per second
_SLOWEST_LINK = 4 << 10
_CONTAINERD_ROOT = "/var/lib/containerd"


class ComposeEngine:
    """See `engines.engine` for the contract."""

    def __init__(self, host: Host, store: StorePaths) -> None:
        self._host = host
        self._store = store
        self._loaded: list[tuple[str, ...]] = []  # the layers of images
        self._checked: EngineFacts | None = None

    # -- facts ----------------------------------------------------------------------------------

    def check(self, facts: ServerFacts) -> EngineFacts:
        """Docker Engine and the Compose plugin, or EngineError that says what to install."""
        found = need_engine(facts, self._host.name)
        if not found.compose_version:
            raise EngineError(
                _("{host}: the Compose plugin of Docker is missing (docker compose)").format(
                    host=self._host.name
                ),
                _(
                    "install it there: apt-get install docker-compose (Debian 13), or"
                    " docker-compose-plugin (Docker's own packages)"
                ),
            )
        self._checked = found
        return found

    def answers(self) -> bool:
        """Whether the daemon answers now; one that hangs does not."""
        try:
            return self._host.run(commands.ask_engine(), timeout_s=_ANSWER_S, check=False).ok
        except RemoteCommandError:
            return False

    @property
    def _facts(self) -> EngineFacts:
        """What was checked last; asked for where nothing was."""
        return self._checked or self.check(gather(self._host, self._store))

    # -- images ---------------------------------------------------------------------------------

    def whole(self, images: Iterable[ReleaseImage]) -> frozenset[str]:
        """The references under which there is the image that they should name."""
        return self._whole({image.reference: image for image in images})

    def load(self, image: ReleaseImage, config: bytes, *, doubt: bool = False) -> None:
        """Load under a staging reference, prove, sync, and only then give the real one."""
        staging = archive.staging_reference(image)
        # What this process loaded is there raw, under its diffID, in either kind of store.
        self._load_archive(image, config, () if doubt else self._loaded)
        whole = staging in self._whole({staging: image})
        if whole and doubt and not self._reads_back(staging):
            of_manifest = digest.of_bytes(archive.manifest(image, config))
            self._run(
                commands.discard_image(staging, image.config_digest, of_manifest),
                timeout_s=_LOAD_BASE_S,
            )
            self._load_archive(image, config, ())
            whole = staging in self._whole({staging: image}) and self._reads_back(staging)
        if not whole:
            self._host.run(commands.remove_image(staging), check=False)
            raise self._not_the_image(image)
        self._name(image)
        self._loaded.append(image.diff_ids)

    def pull(self, image: ReleaseImage, name: str) -> None:
        """Pull by digest, prove under a staging reference, sync, and only then give the real one.

        The name that it has in the registry goes: it would keep the image for ever.
        """
        staging = archive.staging_reference(image)
        size_bytes = sum(layer.size_bytes for layer in image.layers)
        done = self._host.run(
            commands.pull(name), timeout_s=_LOAD_BASE_S + size_bytes / _SLOWEST_LINK, check=False
        )
        if not done.ok:
            raise self._pull_refused(image, name, done)
        self._run(commands.tag(name, staging))
        self._run(commands.remove_image(name))
        if staging not in self._whole({staging: image}):
            self._host.run(commands.remove_image(staging), check=False)
            raise self._not_the_image(image)
        self._name(image)

    def _name(self, image: ReleaseImage) -> None:
        """Move the reference to what was proven under the staging one."""
        staging = archive.staging_reference(image)
        paths = (self._facts.root_dir, _CONTAINERD_ROOT)
        self._run(commands.name_image(staging, image.reference, *paths), timeout_s=2 * _LOAD_BASE_S)

    def remove_image(self, reference: str) -> None:
        """Take a reference away; the content goes with the last one. Does nothing if absent."""
        if self._host.run(commands.find_image(reference), check=False).ok:
            self._run(commands.remove_image(reference))

    def _load_archive(
        self, image: ReleaseImage, config: bytes, held: Iterable[tuple[str, ...]]
    ) -> None:
        """Load `image` without the layers that it begins with as one of `held` does."""
        folder = str(self._store.parts / f"load-{digest.hex_of(image.config_digest)[:12]}")
        absent = inspection.absent_layers(image.diff_ids, (), held)
        layers = dict.fromkeys(digest.hex_of(layer) for layer in absent)
        size_bytes = sum(layer.size_bytes for layer in image.layers)
        done = self._host.run(
            commands.load(folder, str(self._store.blobs), layers),
            stdin=archive.small_tar(archive.small_files(image, config)),
            timeout_s=_LOAD_BASE_S + size_bytes / _SLOWEST_DISK,
            check=False,
        )
        if not done.ok:
            raise self._load_refused(image, done)

    def _whole(self, wanted: Mapping[str, ReleaseImage]) -> frozenset[str]:
        """Which names of `wanted` lead to the image that they should, and can be used."""
        if not wanted:
            return frozenset()
        found = inspection.usable_images(self._run(commands.look_at_images(wanted)).text)
        return frozenset(
            reference
            for reference, image in wanted.items()
            if (there := found.get(reference)) and self._is(image, there)
        )

    def _is(self, image: ReleaseImage, found: EngineImage) -> bool:
        # containerd's store names an image by the manifest that was loaded, which we made up.
        same = self._facts.containerd_store or found.image_id == image.config_digest
        return same and found.diff_ids == image.diff_ids

    def _reads_back(self, reference: str) -> bool:
        done = self._host.run(
            commands.read_back(reference),
            timeout_s=_LOAD_BASE_S,
            check=False,
        )
        return done.ok

    def _no_room(self, image: ReleaseImage, done: Completed) -> DiskFullError | None:
        if b"no space left on device" not in done.stderr.lower():
            return None
        return DiskFullError(
            _("{host}: no room left while loading {image}: {said}").format(
                host=self._host.name, image=image.source, said=_last_lines(done)
            ),
            _("free some disk there (docker system df shows what Docker uses), then repeat"),
        )

    def _pull_refused(
        self, image: ReleaseImage, name: str, done: Completed
    ) -> EngineError | DiskFullError:
        host = name.partition("/")[0]
        return self._no_room(image, done) or EngineError(
            _("{host}: the engine cannot pull {image} from {registry}: {said}").format(
                host=self._host.name, image=image.source, registry=host, said=_last_lines(done)
            ),
            self._cure(
                _(
                    "see on the server that it reaches {registry}, trusts its certificate"
                    " (/etc/docker/certs.d) and is logged in (docker login); or send by SSH:"
                    " --to ssh"
                ).format(registry=host)
            ),
        )

    def _load_refused(self, image: ReleaseImage, done: Completed) -> EngineError | DiskFullError:
        said = _last_lines(done)
        return self._no_room(image, done) or EngineError(
            _("{host}: the engine refuses the image {image}: {said}").format(
                host=self._host.name, image=image.source, said=said
            ),
            self._cure(_("send the release again: smartcity ship; then install once more")),
        )

    def _not_the_image(self, image: ReleaseImage) -> EngineError:
        return EngineError(
            _("{host}: what the engine loaded is not the image {image} ({digest})").format(
                host=self._host.name, image=image.source, digest=image.config_digest[:19]
            ),
            _("send the release again: smartcity ship; then install once more"),
        )

    # -- apps -----------------------------------------------------------------------------------

    def up(self, project: Project) -> None:
        """Make the shared networks, then the app's containers anew, and start them."""
        self._run(commands.make_ready(project.name, project.networks))
        self._compose(project, commands.up(project))

    def run_hook(self, project: Project, hook: Hook) -> None:
        """Run a hook; containers of an earlier run that lost its client go first."""
        self._run(commands.clear_hooks(project.name))
        self._run(commands.make_ready(project.name, project.networks))
        done = self._host.run(commands.run(project, hook), timeout_s=_HOOK_TIMEOUT_S, check=False)
        if not done.ok:
            raise self._hook_failed(project, hook, done)

    def hook_argv(self, project: Project, hook: Hook) -> tuple[str, ...]:
        """The command line of the server that runs a hook; see the protocol."""
        return commands.run(project, hook)

    def feed_hook(self, project: Project, hook: Hook, source: str) -> None:
        """Run a hook on a file of the server; containers of an earlier run go first."""
        self._run(commands.clear_hooks(project.name))
        self._run(commands.make_ready(project.name, project.networks))
        done = self._host.run(
            commands.fed(self.hook_argv(project, hook), source), timeout_s=_FEED_TIMEOUT_S,
            check=False,
        )  # fmt: skip
        if not done.ok:
            raise self._hook_failed(project, hook, done)

    def stop(self, project: Project) -> None:
        """Stop the app's containers and keep them."""
        self._compose(project, commands.stop(project))

    def down(self, project: Project) -> None:
        """Stop and remove the app's containers; its data stays."""
        self._compose(project, commands.down(project))

    def purge(self, projects: Sequence[str]) -> None:
        """Remove all that these projects left, for good; by label, no Compose file is needed."""
        for project in projects:
            self._run(commands.purge(project), timeout_s=_COMPOSE_TIMEOUT_S)

    def states(self, projects: Sequence[str]) -> tuple[ContainerState, ...]:
        """The containers of these projects, hooks' containers left out, sorted by service."""
        if not projects:
            return ()
        done = self._run(commands.inspect_containers(projects))
        try:
            return inspection.container_states(unpacked(self._host, done).decode(errors="replace"))
        except RemoteCommandError as error:
            raise EngineError(error.message, error.hint) from error

    def logs(self, container_id: str, lines: int, since: str = "") -> str:
        """The last lines that a container wrote, oldest first."""
        done = self._host.run(commands.logs(container_id, lines, since), check=False)
        return "\n".join(done.text.splitlines()[-lines:])

    def remove_networks(self, names: Sequence[str]) -> None:
        """Remove shared networks that no container uses."""
        for name in names:
            self._host.run(commands.remove_network(name), check=False)

    # -- running --------------------------------------------------------------------------------

    def _compose(
        self, project: Project, argv: commands.Argv, timeout_s: float = _COMPOSE_TIMEOUT_S
    ) -> None:
        done = self._host.run(argv, timeout_s=timeout_s, check=False)
        if not done.ok:
            raise self._compose_failed(_subcommand(argv), project, done)

    def _hook_failed(self, project: Project, hook: Hook, done: Completed) -> EngineError:
        return EngineError(
            _("{host}: the command “{command}” of {app} failed: {said}").format(
                host=self._host.name,
                command=shlex.join(hook.command)[:120],
                app=project.name,
                said=_last_lines(done),
            ),
            self._cure(),
        )

    def _compose_failed(self, word: str, project: Project, done: Completed) -> EngineError:
        return EngineError(
            _("{host}: docker compose {word} failed for {app}: {said}").format(
                host=self._host.name, word=word, app=project.name, said=_last_lines(done)
            ),
            self._cure(),
        )

    def _cure(self, otherwise: str = "") -> str:
        """What helps after a command failed: if the engine died meanwhile, no other advice does."""
        return otherwise if self.answers() else start_engine()

    def _run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float = 120.0,
        check: bool = True,
    ) -> Completed:
        try:
            return self._host.run(argv, stdin=stdin, timeout_s=timeout_s, check=check)
        except DiskFullError:
            raise
        except RemoteCommandError as error:
            raise EngineError(error.message, self._cure(error.hint)) from error


def _subcommand(argv: commands.Argv) -> str:
    """The first word after the options of `docker compose`, all of which take a value."""
    words = argv[2:]
    while words and words[0].startswith("-"):
        words = words[2:]
    return words[0] if words else ""


def _last_lines(done: Completed, lines: int = 10) -> str:
    text = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:]) or "-"
