"""Layers that a server's engine holds, brought into its store: bases of patches, at no byte sent.

`docker save` gives an image's layers as they were loaded (measured on Engine 20.10, 26.1 with
overlay2 and with containerd's store); which layers are wanted, and whether that is worth its time,
is decided in `ship.patching`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from smartcity_pkg.core import digest
from smartcity_pkg.hosts.facts import ServerFacts
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.hosts.storescripts import LOST

# What `docker save`, reading it and hashing what is wanted were measured to do, with room to spare.
_OVERLAY_BYTES_S = 110e6
_CONTAINERD_BYTES_S = 50e6
_LEAST_S = 0.5
_SLOWEST_BYTES_S = 4 << 20


@dataclass(frozen=True)
class Recovery:
    """One image to save on the server, and which of its layers to keep. Sizes in bytes, raw."""

    image: str
    layers: tuple[str, ...]
    image_bytes: int
    seconds: float


def recoveries(
    wanted: Collection[str], facts: ServerFacts, sizes: Mapping[str, int]
) -> tuple[Recovery, ...]:
    """Images that together hold the `wanted` layers, few of them; those of no image are left out.

    `sizes` are those of layers, raw, as far as they are known; of two images the smaller is taken.
    """
    assert facts.engine is not None
    rate = _CONTAINERD_BYTES_S if facts.engine.containerd_store else _OVERLAY_BYTES_S
    left, found = set(wanted), []
    while left:
        best = max(
            facts.images,
            key=lambda i: (len(left & set(i.diff_ids)), -_bytes(i.diff_ids, sizes), i.image_id),
            default=None,
        )
        here = left & set(best.diff_ids) if best else set()
        if best is None or not here:
            break
        size_bytes = _bytes(best.diff_ids, sizes)
        # An image without a name is saved by its id.
        name = best.tags[0] if best.tags else best.image_id
        found.append(Recovery(name, tuple(sorted(here)), size_bytes, _LEAST_S + size_bytes / rate))
        left -= here
    return tuple(found)


def recover(host: Host, paths: StorePaths, found: Iterable[Recovery]) -> frozenset[str]:
    """Bring the layers into the store; gives those that are there now, checked and synced.

    What the engine gives in another form than it was loaded in (a pulled image's compressed layer),
    or what the disk has no room for, is not there afterwards; nothing else has changed.
    """
    there: set[str] = set()
    for recovery in found:
        names = [digest.hex_of(layer) for layer in recovery.layers]
        done = host.run(
            script(_RECOVER, recovery.image, str(paths.parts), str(paths.blobs), *names),
            timeout_s=120 + 3 * recovery.image_bytes / _SLOWEST_BYTES_S,
            check=False,
        )
        there |= {f"sha256:{name}" for name in done.text.split()} & set(recovery.layers)
    return frozenset(there)


def _bytes(layers: Iterable[str], sizes: Mapping[str, int]) -> int:
    return sum(sizes.get(layer, 0) for layer in layers)


# tar's status is not asked for: it complains of names that another engine would have used, and what
# it wrote is judged by its sum. Before Engine 25 an archive's layers have names of their own.
_RECOVER = f"""# recover layers from the engine
{LOST}
image=$1 parts=$2 blobs=$3
shift 3
new=$parts/recover.new.$$
mkdir "$new" || lost "$parts" 1
for name; do set -- "$@" "blobs/sha256/$name"; shift; done
docker save "$image" 2>/dev/null | tar -xf - -C "$new" --wildcards "$@" '*/layer.tar' \
  2>/dev/null || true
for path; do
  name=${{path##*/}}
  [ -f "$new/$path" ] || for layer in "$new"/*/layer.tar; do
    if [ -f "$layer" ] && [ ! -h "$layer" ]; then
      [ -f "$layer.sum" ] || sha256sum <"$layer" >"$layer.sum" || lost "$parts" 1
      read -r sum _ <"$layer.sum"
      if [ "$sum" = "$name" ]; then
        sync "$layer" && mv -f "$layer" "$blobs/$name" || lost "$parts" 1
        echo "$name"
        break
      fi
    fi
  done
  if [ -f "$new/$path" ]; then
    sum=$(sha256sum <"$new/$path")
    if [ "${{sum%% *}}" = "$name" ]; then
      sync "$new/$path" && mv -f "$new/$path" "$blobs/$name" || lost "$parts" 1
      echo "$name"
    fi
  fi
done
sync "$blobs"
rm -rf "$new"
"""
