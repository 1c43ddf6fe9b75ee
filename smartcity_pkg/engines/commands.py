"""The command lines of Docker and Docker Compose, as pure functions; running them is elsewhere.

Every command that could fetch an image says that it must not, but for `pull`. What belongs together
is one script, because a round trip to a pemda's server may take half a second.
"""

from __future__ import annotations

from collections.abc import Iterable

from smartcity_pkg.catalogue.app import Hook
from smartcity_pkg.engines.engine import Project
from smartcity_pkg.hosts.facts import IMAGE_FORMAT
from smartcity_pkg.hosts.host import script
from smartcity_pkg.hosts.packed import packed

Argv = tuple[str, ...]

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
FILES_LABEL = "com.docker.compose.project.config_files"
ONE_OFF_LABEL = "com.docker.compose.oneoff"
NETWORK_LABEL = "id.smartcity.network"
_TRIED_LABEL = "id.smartcity.tried"


# $1 a folder that is made anew, $2 the store, then names of layers.
_LOAD = """# load the image
dir=$1 store=$2; shift 2
trap 'rm -rf "$dir"' EXIT
rm -rf "$dir"; mkdir -p "$dir"; tar -xf - -C "$dir"
for hex; do
  if [ -f "$store/$hex" ]; then ln -s "$store/$hex" "$dir/blobs/sha256/$hex"; fi
done
tar -chf - -C "$dir" . | docker load --quiet
"""
_PULL = """# pull the image
docker pull --quiet "$1" >/dev/null
"""
# $1 how an image is printed, $2 a label, then references. The command need not exist: it stands in
# for one that an image may lack. What an earlier look left, when it lost its engine or its power,
# goes first; that may be what somebody who looks at the same time has just made. An engine that
# does not answer has no image either: that must not be taken for an answer.
_LOOK = """# look at the images
form=$1 label=$2 lacking=; shift 2
docker image inspect -f "$form" "$@" 2>/dev/null || lacking=1
docker ps --all --quiet --no-trunc --filter "label=$label" |
  xargs -r docker rm --force --volumes >/dev/null 2>&1 || true
made=$(printf '%s\\n' "$@" | xargs -r -n 1 -P 3 sh -c '
  id=$(docker create --pull never --network none --label "$0" "$1" true 2>/dev/null) || exit 1
  echo "$id made $1"
' "$label") || lacking=1
echo "$made" | cut -d " " -f 1 | xargs -r docker rm --volumes >/dev/null 2>&1 || true
echo "$made" | cut -d " " -f 2-
[ -z "$lacking" ] || docker version >/dev/null
"""
_DISCARD = """# remove a damaged image
docker image rm --force "$@" || true
docker image prune --force
"""
_READ_BACK = """# read the image back
docker save "$1" >/dev/null
"""
# $1 the reference that an image has, $2 the one that it gets, then paths.
_NAME = """# name the image
staging=$1 reference=$2; shift 2
to_disk() { for path; do if [ -e "$path" ]; then sync -f "$path"; fi; done; }
to_disk "$@"
docker tag "$staging" "$reference"
docker image rm "$staging" >/dev/null
to_disk "$@"
"""
_CONTAINERS = f"""# look at the containers
ids=$(for project; do docker ps --all --quiet --no-trunc \\
  --filter "label={PROJECT_LABEL}=$project" --filter label={ONE_OFF_LABEL}=False; done)
if [ "$ids" ]; then docker container inspect $ids || test $? = 1; else echo '[]'; fi
"""
_CLEAR_HOOKS = f"""# remove containers of an interrupted hook
docker ps --all --quiet --no-trunc \\
  --filter "label={PROJECT_LABEL}=$1" --filter label={ONE_OFF_LABEL}=True |
  xargs -r docker rm --force --volumes
"""
_PURGE = f"""# remove a project with its data
own="label={PROJECT_LABEL}=$1"
docker ps --all --quiet --filter "$own" | xargs -r docker rm --force --volumes
docker volume ls --quiet --filter "$own" | xargs -r docker volume rm
docker network ls --quiet --filter "$own" | xargs -r docker network rm
"""
# $1 the project, then networks. Compose makes a new container as `HEX_NAME`, and renames it when
# the old one has gone; one that it left when it was killed is in the way of every later `up`.
_READY = f"""# make the way clear for the app
own="label={PROJECT_LABEL}=$1"; shift
docker ps --all --filter "$own" --filter status=created --filter status=exited \\
  --format '{{{{.ID}}}} {{{{.Names}}}}' |
  sed -nE 's/^([0-9a-f]+) [0-9a-f]{{12}}_.*/\\1/p' | xargs -r docker rm >/dev/null
for name; do
  docker network inspect "$name" >/dev/null 2>&1 ||
    docker network create --label {NETWORK_LABEL}=1 "$name" >/dev/null
done
"""
_FEED = """# feed a file to a hook
source=$1; shift
exec "$@" <"$source"
"""
# $3 the moment to begin at, in Docker's words, or nothing.
_LOGS = """# read the log
docker logs --tail "$2" ${3:+--since "$3"} "$1" 2>&1
"""


def tag(reference: str, new: str) -> Argv:
    """Give an image one more reference, taking it from another image if need be."""
    return ("docker", "tag", reference, new)


def find_image(reference: str) -> Argv:
    """Status 0 where there is an image of that name."""
    return ("docker", "image", "inspect", "-f", "{{.Id}}", reference)


def remove_image(reference: str) -> Argv:
    """Take a reference away, and the image with its last one."""
    return ("docker", "image", "rm", reference)


def ask_engine() -> Argv:
    """Succeeds where the engine answers."""
    return ("docker", "version", "--format", "{{.Server.Version}}")


def load(folder: str, blobs: str, layers: Iterable[str]) -> Argv:
    """Load an image, of which standard input brings the small files as a tar.

    Those `layers` (hex digits) that `blobs` has are added. The archive is put together in `folder`,
    which is made anew and goes afterwards.
    """
    return script(_LOAD, folder, blobs, *layers)


def pull(name: str) -> Argv:
    """Fetch the image that `name` (`HOST/NAME@sha256:…`) gives the digest of."""
    return script(_PULL, name)


def look_at_images(references: Iterable[str]) -> Argv:
    """Each image that is there as IMAGE_FORMAT says; then `made NAME` of each that can be started.

    A container is made of each, which never starts: what `inspect` cannot see, this does.
    """
    return script(_LOOK, IMAGE_FORMAT, _TRIED_LABEL, *references)


def read_back(reference: str) -> Argv:
    """Read every byte of an image; the status tells whether all is there."""
    return script(_READ_BACK, reference)


def name_image(staging: str, reference: str, *paths: str) -> Argv:
    """Give the image called `staging` its `reference` instead, from and to a disk that has it all.

    Before and after, the file systems of those `paths` that exist are synced: `docker load`
    answering 0 is not durable (facts.md).
    """
    return script(_NAME, staging, reference, *paths)


def discard_image(*names: str) -> Argv:
    """Remove an image under all its names, and all that have none: nothing keeps its layers.

    A layer that an interrupted load left damaged is used again by the next load, until the last
    image that has it is gone (facts.md).
    """
    return script(_DISCARD, *names)


def compose(project: Project, *words: str) -> Argv:
    """`docker compose` for one app, followed by `words`."""
    options = ["--ansi", "never", "--project-name", project.name]
    options += ["--project-directory", project.directory]
    if project.env_file:
        options += ["--env-file", project.env_file]
    for file in project.files:
        options += ["-f", file]
    return ("docker", "compose", *options, *words)


def up(project: Project) -> Argv:
    """Make all containers anew and start them.

    Anew always: Compose does not see that the content of a mounted file has changed (compose#13045
    and facts.md), and whoever asks has already found that the app changed.
    """
    return compose(
        project,
        *("up", "--detach", "--pull", "never", "--no-build"),
        *("--force-recreate", "--remove-orphans"),
    )


def run(project: Project, hook: Hook) -> Argv:
    """Run a hook in a fresh container that goes afterwards."""
    return compose(project, "run", "--rm", "--no-deps", "-T", hook.service, *hook.command)


def fed(argv: Argv, source: str) -> Argv:
    """`argv` with the server's file `source` as its standard input."""
    return script(_FEED, source, *argv)


def stop(project: Project) -> Argv:
    """Stop the app's containers, each within its own grace period."""
    return compose(project, "stop")


def down(project: Project) -> Argv:
    """Remove the app's containers and its own networks; volumes stay."""
    return compose(project, "down", "--remove-orphans")


def inspect_containers(projects: Iterable[str]) -> Argv:
    """The containers of projects as JSON, those of hooks left out; `packed`.

    It is asked once a second while apps start, and has 8 kB to say of each container. One that goes
    away meanwhile makes `inspect` end with 1 after it has printed the others.
    """
    return script(packed(_CONTAINERS), *projects)


def clear_hooks(project: str) -> Argv:
    """Remove the containers of a project's hooks, running or not."""
    return script(_CLEAR_HOOKS, project)


def purge(project: str) -> Argv:
    """Remove a project's containers, volumes and own networks, found by their labels."""
    return script(_PURGE, project)


def logs(container_id: str, lines: int, since: str = "") -> Argv:
    """The last lines of a container, both its streams on standard output.

    `since` is a duration (`90m`) or a moment (RFC 3339), as `docker logs` takes it.
    """
    return script(_LOGS, container_id, str(lines), since)


def make_ready(project: str, networks: Iterable[str]) -> Argv:
    """Remove what an interrupted `up` left in the way, and make networks that are not there."""
    return script(_READY, project, *networks)


def remove_network(name: str) -> Argv:
    """Remove a network; refused while containers use it."""
    return ("docker", "network", "rm", name)
