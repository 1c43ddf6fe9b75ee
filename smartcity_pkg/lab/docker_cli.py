"""Build and inspect images on a Docker Engine with the `docker` program of the servers' own tree.

Nothing has to be installed on this machine: the program and its plugin buildx are Debian's, from
the tree that the practice servers use. What is built is for `images` to say.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from smartcity_pkg.core.errors import EngineError, LabError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.lab.cache import source_date_epoch
from smartcity_pkg.lab.command import run, run_raw
from smartcity_pkg.lab.rootfs import RootFs

RECIPE_LABEL = "id.smartcity.recipe"
_TIMEOUT_S = 1800.0


class DockerCli:
    """The program, pointed at one engine (`docker_host` as in DOCKER_HOST)."""

    def __init__(self, root_fs: RootFs, docker_host: str, home: Path) -> None:
        self._program = str(root_fs.docker_client)
        self._env = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            "DOCKER_HOST": docker_host,
            "DOCKER_CONFIG": str(home / "docker-config"),
            "DOCKER_BUILDKIT": "1",
            "BUILDX_CONFIG": str(home / "docker-config" / "buildx"),
        }
        config = home / "docker-config" / "config.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps({"cliPluginsExtraDirs": [str(root_fs.docker_plugins)]}))

    def image(self, name: str) -> tuple[str, str] | None:
        """(id, recipe label) of an image on the engine, or None where there is none."""
        template = f'{{{{.Id}}}} {{{{index .Config.Labels "{RECIPE_LABEL}"}}}}'
        done = run_raw(
            [self._program, "image", "inspect", "--format", template, name], env=self._env
        )
        if done.returncode != 0:
            self._check_engine()
            return None
        identity, _blank, recipe = done.stdout.decode().strip().partition(" ")
        return identity, recipe

    def build(self, name: str, context: Path, args: Mapping[str, str], recipe: str) -> str:
        """Build the folder `context` as `name`, without network; gives the image's id."""
        given = {**args, "SOURCE_DATE_EPOCH": str(source_date_epoch())}
        argv = [self._program, "build", "--quiet", "--provenance=false", "--network=none"]
        argv += ["--label", f"{RECIPE_LABEL}={recipe}", "--tag", name]
        for key, value in sorted(given.items()):
            argv += ["--build-arg", f"{key}={value}"]
        # As a tar: of a folder, BuildKit sends only files whose size or time differs from an
        # earlier build, and all our times are equal.
        tar = ["tar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]
        try:
            with subprocess.Popen(
                [*tar, "-cC", str(context), "."], stdout=subprocess.PIPE
            ) as packed:
                built = run([*argv, "-"], stdin=packed.stdout, env=self._env, timeout_s=_TIMEOUT_S)
            return built.strip()
        except LabError as error:
            raise EngineError(
                _("the image {name} cannot be built: {reason}").format(
                    name=name, reason=error.message
                ),
                error.hint,
            ) from error

    def _check_engine(self) -> None:
        """Tell "no such image" from "no engine" by asking something that every engine answers."""
        done = run_raw([self._program, "version", "--format", "{{.Server.Version}}"], env=self._env)
        if done.returncode != 0:
            raise EngineError(
                _("the Docker Engine at {host} does not answer").format(
                    host=self._env["DOCKER_HOST"]
                )
            )
