"""Asks a server what it holds and lets it sign the answer: the inventory receipt.

The key is made on the server at the first receipt and rests among its secrets (mode 0600). Where
the server has openssl, the key never leaves it. Where it has none, smartcity signs: it then reads
the key over the same connection that already runs commands as root there, and keeps no copy.
What a receipt says, and how it is checked, is `bundle.inventory`'s.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import PurePosixPath

from smartcity_pkg.bundle import ecdsa
from smartcity_pkg.bundle.dsse import EnvelopeSignature
from smartcity_pkg.bundle.inventory import Inventory, InventoryImage
from smartcity_pkg.bundle.keys import SigningKey, signing_key_of
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import RemoteCommandError, SmartCityError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.facts import ServerFacts, gather
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.install import offers
from smartcity_pkg.install.place import Place

KEY_FILE = "inventory.key"

# A link fails where another run made the key in the meantime: then that one counts.
_KEEP = """
keep() {
  chmod 0600 "$2"; sync "$2"
  ln "$2" "$1" 2>/dev/null || [ -s "$1" ]
  rm -f "$2"
  sync "${1%/*}"
}
umask 077
mkdir -p "${1%/*}"
"""
# Prints the public key (DER in base64), or nothing where there is no openssl.
_PUBLIC = f"""# open the key for receipts
{_KEEP}
command -v openssl >/dev/null 2>&1 || exit 0
if [ ! -s "$1" ]; then
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.new.$$" 2>/dev/null
  keep "$1" "$1.new.$$"
fi
openssl pkey -in "$1" -pubout -outform DER | base64 | tr -d '\\n'
"""
_SIGN = """# sign a receipt
openssl dgst -sha256 -sign "$1" | base64 | tr -d '\\n'
"""
# Without openssl there: keeps the key on standard input unless there is one; prints what counts.
_STORED = f"""# open the key for receipts
{_KEEP}
cat >"$1.new.$$"
if [ -s "$1" ]; then rm -f "$1.new.$$"; else keep "$1" "$1.new.$$"; fi
cat "$1"
"""


def signed_inventory(place: Place, release: Release) -> bytes:
    """The receipt of what `place` holds now that `release` is installed there: an envelope's bytes.

    Raises RemoteCommandError where the server cannot make a key or sign.
    """
    facts = gather(place.host, place.store)
    path = place.store.secrets / KEY_FILE
    line = place.host.run(script(_PUBLIC, str(path))).text
    if line:
        inventory = _inventory(place, release, facts, _checked_line(place.host, line))
        done = place.host.run(script(_SIGN, str(path)), stdin=inventory.envelope.message)
        pem = ecdsa.pem_of_line(line)
        if not ecdsa.verifies(pem, done.text, inventory.envelope.message):
            raise RemoteCommandError(
                _("{host}: openssl there gave no signature for the receipt").format(
                    host=place.host.name
                ),
                _(
                    "log in by hand and see what openssl says: openssl dgst -sha256 -sign {file}"
                ).format(file=path),
            )
        return inventory.envelope.with_signature(
            EnvelopeSignature(ecdsa.key_id(pem), done.text)
        ).to_json()
    key = _stored_key(place.host, path)
    inventory = _inventory(place, release, facts, ecdsa.line_of_pem(key.public_pem))
    return inventory.envelope.signed_by(key).to_json()


def _stored_key(host: Host, path: PurePosixPath) -> SigningKey:
    done = host.run(script(_STORED, str(path)), stdin=SigningKey.made().to_pem())
    return signing_key_of(done.stdout, path)


def _checked_line(host: Host, line: str) -> str:
    """The public key as the receipt says it; RemoteCommandError where openssl gave another kind."""
    try:
        return ecdsa.line_of_pem(ecdsa.pem_of_line(line))
    except SmartCityError as error:
        raise RemoteCommandError(
            _("{host}: the key for receipts is of another kind than ECDSA P-256").format(
                host=host.name
            ),
            _("move it away, a new one will be made: secrets/{file}").format(file=KEY_FILE),
        ) from error


def _inventory(place: Place, release: Release, facts: ServerFacts, public_key: str) -> Inventory:
    layers = _layers_of_releases(place) & facts.blobs.keys()
    tagged = {
        tag: image.diff_ids for image in facts.images for tag in image.tags if "<none>" not in tag
    }
    in_engine = {d for image in facts.images for d in image.diff_ids}
    return Inventory(
        region=release.region,
        pemda=release.plan.pemda,
        server=place.server,
        release=release.name,
        serial=release.serial,
        diff_ids=tuple(sorted(layers | in_engine)),
        images=tuple(InventoryImage(reference=tag, diff_ids=tagged[tag]) for tag in sorted(tagged)),
        documents=tuple(sorted(facts.blobs.keys() - layers)),
        taken_at=datetime.fromtimestamp(facts.clock_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        smartcity=version("smartcity"),
        public_key=public_key,
    )


def _layers_of_releases(place: Place) -> set[str]:
    """The layers of every release that has arrived: which files of the store are layers."""
    found = [offers.peek(place, name) for name in offers.release_names(place)]
    return {d for release in found if release for i in release.images for d in i.diff_ids}
