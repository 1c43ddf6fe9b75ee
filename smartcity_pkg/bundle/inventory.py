"""The inventory receipt: what one server holds, told and signed by it, for whoever packs next.

A DSSE envelope whose payload carries the server's own public key: the signature proves that the
bytes are one server's; which server that is, is remembered by the key (`same_key`) from the first
receipt on. How it is made is `install.inventory`'s. No clock, and no I/O but `load_receipt`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from smartcity_pkg.bundle import dsse, ecdsa, strictjson
from smartcity_pkg.bundle.dsse import Envelope
from smartcity_pkg.catalogue.app import AppName, Model
from smartcity_pkg.catalogue.pemda import RegionCode
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, Problem, SmartCityError, UntrustedBundleError
from smartcity_pkg.core.i18n import _, os_text

PAYLOAD_TYPE = "application/vnd.smartcity.inventory.v1+json"
MAX_BYTES = 8 << 20

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
ReleaseName = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}-[0-9a-f]{12}$")]
Time = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")
]  # as receipts say it


class InventoryImage(Model):
    """An image that the engine has: its reference, and its layers from the lowest."""

    reference: str = Field(min_length=1)
    diff_ids: tuple[Digest, ...]


class Inventory(Model):
    """What is signed. Lists ascend, so that the same content gives the same bytes.

    `diff_ids` are all layers in the server's store or engine; `documents` what else its store
    holds. `public_key` is SPKI DER in base64.
    """

    schema_version: Literal[1] = 1
    kind: Literal["inventory"] = "inventory"
    region: RegionCode
    pemda: str
    server: AppName
    release: ReleaseName
    serial: int = Field(ge=1)
    diff_ids: tuple[Digest, ...]
    images: tuple[InventoryImage, ...]
    documents: tuple[Digest, ...]
    taken_at: Time
    smartcity: str
    public_key: str

    def to_json(self) -> bytes:
        """The canonical bytes."""
        return digest.canonical_json(self.model_dump(mode="json"))

    @property
    def envelope(self) -> Envelope:
        """The inventory, ready to be signed."""
        return Envelope(PAYLOAD_TYPE, self.to_json())


@dataclass(frozen=True)
class InventoryReceipt:
    """A receipt whose signature is its own key's; `file` names it in messages.

    `images` maps the references of the engine's images to their layers, from the lowest.
    """

    file: str
    region: str
    pemda: str
    server: str
    release: str
    serial: int
    diff_ids: frozenset[str]
    images: dict[str, tuple[str, ...]]
    documents: frozenset[str]
    taken_at: str
    public_key: str

    @property
    def key_id(self) -> str:
        """sha256 of the key that signed."""
        return ecdsa.key_id(ecdsa.pem_of_line(self.public_key))


def receipt_file(region: str, server: str) -> str:
    """What a server's receipt is called; letters that every file system takes."""
    return f"smartcity-receipt-{region}-{server}.json"


def load_receipt(path: Path) -> InventoryReceipt:
    """The receipt in the file `path`; raises as `parse_receipt`, InputError if it is unreadable."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        why = os_text(error)
        raise InputError(
            Problem(_("the receipt cannot be read: {why}").format(why=why), str(path)),
            _("Check the path, and that the disk is connected."),
        ) from error
    return parse_receipt(data, str(path))


def parse_receipt(data: bytes, file: str) -> InventoryReceipt:
    """The receipt in `data`, its signature checked; `file` names it in messages.

    Raises InputError where it is no receipt, UntrustedBundleError where it was changed after it was
    signed. Whose key it is, is not judged here.
    """
    try:
        envelope = dsse.parse(data)
        if envelope.payload_type != PAYLOAD_TYPE:
            raise _bad(file, _("expected an inventory receipt of a server, got {kind}").format(
                kind=ascii(envelope.payload_type[:80])))  # fmt: skip
        strictjson.loads(envelope.payload, MAX_BYTES)
        inventory = Inventory.model_validate_json(envelope.payload)
    except (dsse.BadEnvelopeError, strictjson.UnsafeJsonError) as error:
        why = _(
            "expected an inventory receipt of a server, got something else or half of one ({why})"
        )
        raise _bad(file, why.format(why=error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        got = ascii(first["input"])[:80]
        raise _bad(file, f"{place}: {first['msg']}, {got}") from error
    _check_form(inventory, envelope, file)
    _check_signature(inventory, envelope, file)
    return InventoryReceipt(
        file=file,
        region=inventory.region,
        pemda=inventory.pemda,
        server=inventory.server,
        release=inventory.release,
        serial=inventory.serial,
        diff_ids=frozenset(inventory.diff_ids),
        images={i.reference: i.diff_ids for i in inventory.images},
        documents=frozenset(inventory.documents),
        taken_at=inventory.taken_at,
        public_key=inventory.public_key,
    )


def require_same_key(receipt: InventoryReceipt, pinned: str) -> None:
    """UntrustedBundleError unless `receipt` is by the key `pinned` (one line of base64)."""
    if receipt.public_key == pinned.strip():
        return
    before = ecdsa.key_id(ecdsa.pem_of_line(pinned))
    raise UntrustedBundleError(
        _(
            "{file}: the receipt of {server} ({region}) is by the key {found}, expected {before},"
            " which signed its first receipt"
        ).format(
            file=receipt.file,
            server=receipt.server,
            region=receipt.region,
            found=receipt.key_id[:19],
            before=before[:19],
        ),
        _(
            "Ask the pemda whether the server was set up anew. If so, remove the old key:"
            " receipts/{region}-{server}.pub"
        ).format(region=receipt.region, server=receipt.server),
    )


def _check_form(inventory: Inventory, envelope: Envelope, file: str) -> None:
    references = [i.reference for i in inventory.images]
    lists = (list(inventory.diff_ids), list(inventory.documents), references)
    if any(entries != sorted(set(entries)) for entries in lists):
        raise _bad(file, _("expected lists in ascending order with nothing twice"))
    if inventory.to_json() != envelope.payload:
        raise _bad(file, _("it is not written in the one way that is allowed"))
    if inventory.release.partition("-")[0] != str(inventory.serial):
        raise _bad(file, _("expected the number {serial} in the release’s name, got {name}").format(
            serial=inventory.serial, name=inventory.release))  # fmt: skip


def _check_signature(inventory: Inventory, envelope: Envelope, file: str) -> None:
    try:
        pem = ecdsa.pem_of_line(inventory.public_key)
    except SmartCityError as error:
        raise _bad(file, f"public_key: {error.message}") from error
    if ecdsa.line_of_pem(pem) != inventory.public_key:
        raise _bad(file, _("it is not written in the one way that is allowed"))
    signatures = envelope.signatures
    if len(signatures) != 1 or not ecdsa.verifies(pem, signatures[0].signature, envelope.message):
        raise UntrustedBundleError(
            _("{file}: the receipt of {server} ({region}) was changed after it was signed").format(
                file=file, server=inventory.server, region=inventory.region
            ),
            _("Do not use it. Bring a new one: install from the disk again at the pemda."),
        )


def _bad(file: str, message: str) -> InputError:
    return InputError(
        Problem(message, file),
        _("Name the file smartcity-receipt-….json that the installation wrote onto the disk."),
    )
