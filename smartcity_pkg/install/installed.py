"""Which releases a server has unpacked, which one is current, and how that changes at once.

A release's folder holds `release.json` beside its files; its name carries the digest of that
document, so a folder that lies is found out. Starting apps is in `apply`.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import PreflightError, UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.host import script
from smartcity_pkg.hosts.packed import files_of, packed, unpacked
from smartcity_pkg.install.place import Place

RELEASE_FILE = "release.json"

_LOOK = """# see what is installed
cd "$1"
for link in current previous; do
  echo "$link $(readlink "$link" 2>/dev/null || true)"
done
if [ -d releases ]; then
  cd releases
  for folder in *; do [ ! -f "$folder/release.json" ] || echo "folder $folder"; done
fi
"""
# $1 the folder of releases, then names. Prints `name size` and the bytes.
_READ = """# read what is unpacked
cd "$1" 2>/dev/null || return 0
shift
for name; do
  if [ -f "$name/release.json" ]; then
    printf '%s %s\\n' "$name" "$(stat -c %s "$name/release.json")"
    cat "$name/release.json"
  fi
done
"""
# $1 the root, $2 the new release, $3 the old one or nothing. Each link changes in one rename.
_COMMIT = """# commit the release
cd "$1"
point() { ln -sfn "releases/$2" ".$1.new"; mv -T ".$1.new" "$1"; }
if [ "$3" ]; then point previous "$3"; fi
point current "$2"
sync .
"""
# $1 the root, $2 the folder of releases, $3 blobs, $4 archive's name, $5 release, $6 server.
# Names and sums on standard input, as sha256sum prints them; release.json is written by us.
_UNPACK = """# unpack the release's files
umask 022
cd "$1"
part="$2/$5.part"
rm -rf "$part"; mkdir -p "$part"
tar -xf "$3/$4" -C "$part" --no-same-owner --no-same-permissions "$6"
cd "$part"
cat > release.json
sync -f .
"""
_CHECK = """# check the release's files
cd "$1"
sums=$(cat)
[ "$(find . -type f ! -path ./receipts.json | wc -l)" -eq "$2" ]
[ -z "$(find . ! -type f ! -type d | head -n 1)" ]
printf '%s\\n' "$sums" | sha256sum --check --strict --quiet >&2
"""
_PUBLISH = """# put the release's files in place
rm -rf "$1/$2.old"
if [ -e "$1/$2" ]; then mv -T "$1/$2" "$1/$2.old"; fi
mv -T "$1/$2.part" "$1/$2"
sync "$1"
rm -rf "$1/$2.old"
"""


@dataclass(frozen=True)
class Installed:
    """The names of the current and previous releases ("" if none) and of all unpacked ones."""

    current: str
    previous: str
    folders: tuple[str, ...]


def look(place: Place) -> Installed:
    """What the server has; one round trip."""
    place.host.run(("mkdir", "-p", str(place.store.root)))
    links = {"current": "", "previous": ""}
    folders = []
    for line in place.host.run(script(_LOOK, str(place.store.root))).text.splitlines():
        kind, _space, value = line.partition(" ")
        if kind in links:
            links[kind] = value.removeprefix("releases/")
        elif not value.endswith((".part", ".old")):
            folders.append(value)
    return Installed(links["current"], links["previous"], tuple(folders))


def read_release(place: Place, name: str) -> Release:
    """An unpacked release; UntrustedBundleError where its document is not what its name says."""
    return _release(place, name, _documents(place, [name]).get(name, b""))


def _documents(place: Place, names: Collection[str]) -> dict[str, bytes]:
    """The documents of the unpacked releases `names`, unchecked; one round trip."""
    if not names:
        return {}
    done = place.host.run(script(packed(_READ), str(place.store.releases), *names), check=False)
    return {name: data or b"" for name, data in files_of(unpacked(place.host, done)).items()}


def _release(place: Place, name: str, document: bytes) -> Release:
    try:
        release = Release.model_validate_json(document)
    except ValidationError as error:
        raise _damaged(place, name) from error
    if release.name != name:
        raise _damaged(place, name)
    return release


def require_current(place: Place) -> Release:
    """The release that is installed; PreflightError where there is none."""
    found = look(place)
    if not found.current:
        raise PreflightError(
            _("{server}: nothing is installed yet").format(server=place.server),
            _("install the release first (smartcity install), then repeat this"),
        )
    return read_release(place, found.current)


def read_known(place: Place, found: Installed, besides: str = "") -> dict[str, Release]:
    """Every release that running containers may have been made from, by name.

    An app that no release changed runs from the one that brought it, however old. A damaged release
    that is neither current nor previous is passed by. `besides` is not read.
    """
    names = [name for name in found.folders if name != besides]
    known = readable(place, names)
    for name in {found.current, found.previous} & set(names) - known.keys():
        raise _damaged(place, name)
    return known


def readable(place: Place, names: Collection[str]) -> dict[str, Release]:
    """Those of the unpacked releases `names` that can be read, by name."""
    known = {}
    for name, document in _documents(place, names).items():
        with suppress(UntrustedBundleError):
            known[name] = _release(place, name, document)
    return known


def unpack(place: Place, release: Release) -> None:
    """Bring the files of this server's apps into the release's folder, whole or not at all.

    The archive is the one that the release names by digest; it must have been checked in the store.
    A folder that is there and right is left alone.
    """
    if _intact(place, release, release.name):
        return
    store = place.store
    archive = digest.hex_of(release.files_digest)
    place.host.run(
        script(_UNPACK, *map(str, (store.root, store.releases, store.blobs)), archive,
               release.name, place.server),
        stdin=release.to_json(),
    )  # fmt: skip
    if not _intact(place, release, f"{release.name}.part"):
        raise UntrustedBundleError(
            _("{server}: the unpacked files of {name} are not those of the release").format(
                server=place.server, name=release.name
            ),
            _("nothing was changed; send the release again: smartcity ship, then install"),
        )
    place.host.run(script(_PUBLISH, str(store.releases), release.name))


def files_intact(place: Place, release: Release) -> bool:
    """Whether the release's folder holds exactly its files, with the right content."""
    return _intact(place, release, release.name)


def commit(place: Place, release: str, *, before: str) -> None:
    """Make `release` current and `before` ("" if none) previous; synced. May be called twice."""
    place.host.run(script(_COMMIT, str(place.store.root), release, before))


def _intact(place: Place, release: Release, folder: str) -> bool:
    mine = {p: d for p, d in release.files.items() if p.startswith(f"{place.server}/")}
    mine[RELEASE_FILE] = release.digest
    sums = "".join(f"{digest.hex_of(d)}  {path}\n" for path, d in sorted(mine.items()))
    done = place.host.run(
        script(_CHECK, str(place.store.releases / folder), str(len(mine))),
        stdin=sums.encode(),
        check=False,
    )
    return done.ok


def _damaged(place: Place, name: str) -> UntrustedBundleError:
    return UntrustedBundleError(
        _("{server}: the installed release {name} is damaged").format(
            server=place.server, name=name
        ),
        _("install it again from the store: smartcity install --release {name}").format(name=name),
    )
