"""Changing bundles: files as a dict, digests carried up to the root, signed again if wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smartcity_pkg.bundle import oci, ustar
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.bundle.sign import sign_root, signature_blobs
from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.bundle.verify import verify
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
    """The entries of index.json."""
    entries: list[dict[str, Any]] = json.loads(files["index.json"])["manifests"]
    return entries


def replaced(files: Files, old: str, new: bytes, key: SigningKey) -> Files:
    """`files` with the blob `old` holding `new`, all that leads to it adapted, signed by `key`.

    That is what somebody with the key could make, or somebody without it up to the signature.
    """
    result = dict(files)
    root = roots(files)[0]["digest"]
    for entry in roots(files)[1:]:
        _drop_signatures(result, entry["digest"])
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


def signed(files: Files, root: str, *keys: SigningKey) -> Files:
    """`files` with index.json and signatures for `root`."""
    result = dict(files)
    data = blob(files, root)
    manifest, parts = signature_blobs([sign_root(root, key) for key in keys])
    top = (oci.descriptor(data, oci.INDEX), oci.descriptor(manifest, oci.MANIFEST))
    result["index.json"] = oci.top_index_json(*(oci.Descriptor.model_validate(e) for e in top))
    result |= {oci.blob_name(d): b for d, b in parts.items()}
    return result


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
