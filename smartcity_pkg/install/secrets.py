"""Secrets: made on the server by the server, and nowhere else.

A value exists in files of mode 0400 only; it is in no argument, environment, output, log or
journal, and never comes to the machine that asks for it. What is there is kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from smartcity_pkg.catalogue.release import ReleaseApp, SecretFile
from smartcity_pkg.hosts.host import script
from smartcity_pkg.install.place import Place

# $1 the secrets folder, then `uid path` for each file of one source. The first file that exists
# gives the value to the others. 32 random bytes make 43 characters. Prints "made" where none
# existed.
_MAKE = """# make a secret
umask 077
root=$1; shift
mkdir -p "$root"
scratch="$root/.new.$$"
trap 'rm -f "$scratch"' EXIT
made=no
for pair; do
  path="$root/${pair#* }"
  if [ -s "$path" ]; then cat "$path" > "$scratch"; made=kept; break; fi
done
if [ "$made" = no ]; then
  head -c 32 /dev/urandom | base64 | tr -d '\\n=' | tr '+/' '-_' > "$scratch"
  [ "$(wc -c < "$scratch")" -eq 43 ]
fi
for pair; do
  path="$root/${pair#* }"
  if [ ! -s "$path" ]; then
    mkdir -p "${path%/*}"
    cat "$scratch" > "$path.part"
    chown "${pair%% *}" "$path.part"; chmod 0400 "$path.part"
    sync "$path.part"; mv "$path.part" "$path"; sync "${path%/*}"
  fi
  chown "${pair%% *}" "$path"; chmod 0400 "$path"
done
if [ "$made" = no ]; then echo made; fi
"""


def ensure_secrets(place: Place, apps: Iterable[ReleaseApp]) -> tuple[str, ...]:
    """Make what is missing of the apps' secrets; the identities of those made anew, sorted."""
    files = sorted({s for a in apps for s in a.secrets}, key=lambda s: (s.source, s.path))
    made = [source for source in _sources(files) if _ensure(place, source, files)]
    return tuple(made)


def _sources(files: list[SecretFile]) -> list[str]:
    return sorted({f.source for f in files})


def _ensure(place: Place, source: str, files: list[SecretFile]) -> bool:
    pairs = [f"{f.uid} {f.path}" for f in files if f.source == source]
    done = place.host.run(script(_MAKE, str(place.store.secrets), *pairs))
    return done.text == "made"
