"""Reads what `ship` left in a server's store, and believes only what a trusted key signed.

The verdict itself is `bundle.trust`'s; here the bytes are fetched, and what rests on the server is
hashed there. Loading images is in `images`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from smartcity_pkg.bundle.contents import BundleContents, Offer, Signature
from smartcity_pkg.bundle.grant import Grant
from smartcity_pkg.bundle.trust import (
    TrustedKeys,
    check_grant,
    contents_of,
    genuine_signatures,
)
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import PreflightError, UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import MIB
from smartcity_pkg.hosts.host import script
from smartcity_pkg.hosts.packed import files_of, packed, unpacked
from smartcity_pkg.install.place import Place

_NAME = re.compile(r"(\d{1,9})-[0-9a-f]{12}")
_MAX_SMALL_BYTES = 64 * MIB
_SLOWEST_DISK = 20 * MIB  # bytes per second of sha256sum

_LIST = """# list the releases in the store
if [ -d "$1" ]; then cd "$1"; for file in *.json; do [ ! -f "$file" ] || echo "$file"; done; fi
"""
# $1 the blobs, $2 the largest size in bytes, then names, with a = before those whose bytes need not
# travel where the file is what its name says. Prints `name size` and the bytes, or `name =`.
_READ = """# read from the store
cd "$1"; max=$2; shift 2
for word; do
  hex=${word#=}
  if [ -f "$hex" ]; then
    size=$(stat -c %s "$hex")
    if [ "$word" != "$hex" ] && [ "$(sha256sum <"$hex")" = "$hex  -" ]; then echo "$hex ="
    elif [ "$size" -le "$max" ]; then printf '%s %s\\n' "$hex" "$size"; cat "$hex"; fi
  fi
done
"""
_SUMS = """# check the store
cd "$1"
while read -r hex; do if [ -f "$hex" ]; then echo "$hex"; fi; done |
  xargs -r -n 1 -P "$(nproc)" sha256sum
"""


def release_names(place: Place) -> tuple[str, ...]:
    """The releases that the store offers, the newest (highest serial) first."""
    listed = place.host.run(script(_LIST, str(place.store.offers))).text.split()
    names = [n.removesuffix(".json") for n in listed]
    return tuple(sorted(filter(_NAME.fullmatch, names), key=_serial, reverse=True))


def choose(place: Place, wanted: str | None) -> str:
    """The release to install: `wanted`, or the newest; PreflightError where there is none."""
    names = release_names(place)
    if wanted is not None:
        if wanted not in names:
            raise PreflightError(
                _("{server}: the store does not hold the release {name}").format(
                    server=place.server, name=wanted
                ),
                _("it holds: {names}; send it first: smartcity ship").format(
                    names=", ".join(names) or "-"
                ),
            )
        return wanted
    if not names:
        raise PreflightError(
            _("{server}: the store holds no release").format(server=place.server),
            _("send one first: smartcity ship"),
        )
    rivals = [n for n in names if _serial(n) == _serial(names[0])]
    if len(rivals) > 1:
        raise PreflightError(
            _("{server}: several releases have the number {serial}: {names}").format(
                server=place.server, serial=_serial(names[0]), names=", ".join(rivals)
            ),
            _("say which one: smartcity install --release NAME"),
        )
    return names[0]


@dataclass(frozen=True)
class Genuine:
    """A release of the store whose signatures and grant were proven, and what proves it."""

    root_digest: str
    release: Release
    signatures: tuple[Signature, ...]
    grant: Grant
    grant_bytes: bytes


def verified_release(place: Place, name: str, trusted: TrustedKeys) -> Genuine:
    """The release called `name`, every document on the way from trusted signatures checked.

    Raises UntrustedBundleError where anything in the store is not what was signed.
    """
    offer = _offer(place, name)
    signatures = [Signature(s.key_id, s.payload.encode(), s.signature) for s in offer.signatures]
    genuine = genuine_signatures(offer.root_digest, signatures, trusted)
    contents = _contents(place, offer)
    release = contents.release
    if release.name != name:
        raise _lies(place, _("{name} holds the release {found}").format(
            name=name, found=release.name))  # fmt: skip
    grant, _signer = check_grant(contents.grant, trusted)
    return Genuine(offer.root_digest, release, genuine, grant, contents.grant)


def look_into(place: Place, name: str) -> BundleContents:
    """All that the offer `name` leads to, whoever signed it; only content is checked."""
    return _contents(place, _offer(place, name))


def peek(place: Place, name: str) -> Release | None:
    """The release called `name` whoever signed it; None where it cannot be read."""
    try:
        return look_into(place, name).release
    except UntrustedBundleError:
        return None


def check_blobs(place: Place, digests: Iterable[str], size_bytes: int) -> frozenset[str]:
    """Which of `digests` the store holds, each hashed on the server just now.

    `size_bytes` (about) bounds the time. A file that lies about its digest is removed, so that
    `ship` brings it again, and UntrustedBundleError is raised.
    """
    listed = "".join(f"{digest.hex_of(d)}\n" for d in digests)
    done = place.host.run(
        script(_SUMS, str(place.store.blobs)),
        stdin=listed.encode(),
        timeout_s=120 + size_bytes / _SLOWEST_DISK,
    )
    pairs = [line.split() for line in done.text.splitlines()]
    if wrong := [name for found, name in pairs if found != name]:
        place.host.run(("rm", "-f", *(str(place.store.blob(name)) for name in wrong)))
        raise _lies(place, _("the content of {names} is damaged").format(
            names=", ".join(name[:12] for name in wrong)))  # fmt: skip
    return frozenset(f"sha256:{name}" for _found, name in pairs)


def read_blob(place: Place, of: str) -> bytes:
    """A small blob of the store, checked; UntrustedBundleError where it is absent or lies."""
    found = _read(place, [digest.hex_of(of)])
    return _checked(place, of, found.get(digest.hex_of(of)))


def _offer(place: Place, name: str) -> Offer:
    done = place.host.run(("cat", str(place.store.offer(name))), check=False)
    try:
        return Offer.model_validate_json(done.stdout)
    except ValidationError as error:
        raise _lies(place, _("the offer of {name} is damaged").format(name=name)) from error


def _contents(place: Place, offer: Offer) -> BundleContents:
    blobs = _fetch_chain(place, offer.root_digest)
    return contents_of(offer.root_digest, lambda d: _checked(place, d, blobs.get(digest.hex_of(d))))


def _fetch_chain(place: Place, root_digest: str) -> dict[str, bytes]:
    """The small blobs that a root leads to, unchecked.

    One round trip where this machine knows them, else three, however many blobs.
    """
    found: dict[str, bytes] = {}
    asked, wanted = set[str](), {digest.hex_of(root_digest)}
    for _level in range(3):  # the root index, manifests, what they name
        wanted = _led_to(place, wanted) - asked
        fetched = _read(place, sorted(wanted))
        asked |= wanted
        found |= fetched
        wanted = {h for blob in fetched.values() for h in _named(blob)}
    return found


def _led_to(place: Place, names: Iterable[str]) -> set[str]:
    """`names`, and all that the documents among them lead to, as far as they are known here."""
    reached, new = set[str](), set(names)
    while new:
        reached |= new
        documents = filter(None, (place.at_hand(f"sha256:{name}") for name in new))
        new = {h for document in documents for h in _named(document)} - reached
    return reached


def _named(document: bytes) -> list[str]:
    """The digests that an index or manifest names; none where it is neither."""
    try:
        parsed = json.loads(document)
        entries = [*parsed.get("manifests", ()), *parsed.get("layers", ())]
        entries += [parsed["config"]] if "digest" in parsed.get("config", {}) else []
        named = [entry["digest"] for entry in entries]
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return []
    return [digest.hex_of(d) for d in named if digest.is_digest(d)]


def _read(place: Place, names: Sequence[str]) -> dict[str, bytes]:
    """What the store has of `names` (hex digits); what is known here is only compared there."""
    if not names:
        return {}
    known = {name: place.at_hand(f"sha256:{name}") for name in names}
    words = [f"={name}" if known[name] is not None else name for name in names]
    done = place.host.run(
        script(packed(_READ), str(place.store.blobs), str(_MAX_SMALL_BYTES), *words), timeout_s=600
    )
    found = files_of(unpacked(place.host, done))
    return {n: (known[n] or b"") if data is None else data for n, data in found.items()}


def _checked(place: Place, of: str, data: bytes | None) -> bytes:
    if data is None:
        raise _lies(place, _("{digest} is missing").format(digest=of[:19]))
    if digest.of_bytes(data) != of:
        place.host.run(("rm", "-f", str(place.store.blob(of))))
        raise _lies(place, _("the content of {digest} is damaged").format(digest=of[:19]))
    return data


def _serial(name: str) -> int:
    return int(name.partition("-")[0])


def _lies(place: Place, what: str) -> UntrustedBundleError:
    return UntrustedBundleError(
        _("{server}: the store is not what was signed: {what}").format(
            server=place.server, what=what
        ),
        _("nothing was changed; send the release again: smartcity ship, then install"),
    )
