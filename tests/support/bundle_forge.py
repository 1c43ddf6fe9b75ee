"""Changing bundles: files as a dict, digests carried up to the root, signed again if wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from smartcity_pkg.bundle import oci, provenance, ustar
from smartcity_pkg.bundle.dsse import Envelope
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.bundle.sign import outer_files, sign_root
from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.catalogue.checkout import Checkout
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UntrustedBundleError

Files = dict[str, bytes]


def read_folder(path: Path) -> Files:
    """The files of a bundle's directory by name."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def write_folder(path: Path, files: Files) -> Path:
    """`files` as a directory."""
    for name, data in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return path


def write_tar(path: Path, files: Files) -> Path:
    """`files` as a tar in our form."""
    path.write_bytes(ustar.pack(files))
    return path


def blob(files: Files, of: str) -> bytes:
    """A blob's bytes."""
    return files[oci.blob_name(of)]


def roots(files: Files) -> list[dict[str, Any]]:
    """The root and what stands beside it, as index.json names them."""
    entries: list[dict[str, Any]] = json.loads(files["index.json"])["manifests"]
    return [entry for entry in entries if oci.KIND in entry.get("annotations", {})]


def replaced(files: Files, old: str, new: bytes, key: SigningKey) -> Files:
    """`files` with the blob `old` holding `new`, all that leads to it adapted, signed by `key`.

    That is what somebody with the key could make, or somebody without it up to the signature.
    """
    result = unsigned(files)
    root = roots(files)[0]["digest"]
    pending = [(old, new)]
    while pending:
        old, new = pending.pop()
        result.pop(oci.blob_name(old), None)
        new_digest = digest.of_bytes(new)
        result[oci.blob_name(new_digest)] = new
        if old == root:
            root = new_digest
        for name, data in list(result.items()):
            if name.startswith(oci.BLOBS) and old.encode() in data:
                adapted = _adapted(data, old, new_digest, len(new))
                if adapted == data:  # it names the blob, and does not lead to it
                    continue
                pending.append((digest.of_bytes(data), adapted))
                break
    return signed(result, root, key)


def unsigned(files: Files) -> Files:
    """`files` without signatures and provenance; index.json still names them."""
    result = dict(files)
    for entry in roots(files)[1:]:
        _drop_signatures(result, entry["digest"])
    return result


def signed(files: Files, root: str, *keys: SigningKey) -> Files:
    """`files` with index.json, signatures and provenance for `root`."""
    data = blob(files, root)
    described = oci.Descriptor.model_validate(oci.descriptor(data, oci.INDEX))
    envelope = provenance_of(files, root)
    for key in keys:
        envelope = envelope.signed_by(key)
    try:
        images = oci.images_of(oci.parse(oci.Index, data, "root"))
    except UntrustedBundleError:  # forged past reading
        images = ()
    signatures = [sign_root(root, key) for key in keys]
    return {**files, **outer_files(described, signatures, envelope, images)}


def provenance_of(files: Files, root: str) -> Envelope:
    """The unsigned statement about `root`; a false one where no release can be read below it."""
    try:
        entry = json.loads(blob(files, root))["manifests"][-1]
        config = json.loads(blob(files, entry["digest"]))["config"]
        release = Release.model_validate_json(blob(files, config["digest"]))
    except (KeyError, TypeError, ValueError, IndexError, RecursionError):
        return Envelope(provenance.PAYLOAD_TYPE, b"{}")
    return provenance.envelope_for(root, release, provenance.Origin(Checkout(), version()))


def version() -> str:
    """The program's, as the provenance says it."""
    return metadata.version("smartcity")


def edited(data: bytes, change: Callable[[Any], None]) -> bytes:
    """A JSON document with a change, in canonical form."""
    value = json.loads(data)
    change(value)
    return digest.canonical_json(value)


def refused(path: Path, trusted: TrustedKeys, match: str | None = None) -> None:
    """Verifying `path` must fail as an untrusted bundle, with a hint; `match` is in the message."""
    with pytest.raises(UntrustedBundleError, match=match) as caught:
        verify(path, trusted)
    assert caught.value.exit_code == 10
    assert caught.value.hint


def _adapted(data: bytes, old: str, new: str, size_bytes: int) -> bytes:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("digest") == old:
                value["digest"], value["size"] = new, size_bytes
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    return edited(data, walk)


def _drop_signatures(files: Files, manifest: str) -> None:
    document = json.loads(files.pop(oci.blob_name(manifest)))
    for entry in (document["config"], *document["layers"]):
        files.pop(oci.blob_name(entry["digest"]), None)
