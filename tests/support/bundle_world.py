"""Small images in the forms that sources have, and requests to pack them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from smartcity_pkg.bundle import compression, oci
from smartcity_pkg.bundle.contents import BundleContents
from smartcity_pkg.bundle.grant import Grant, envelope_of
from smartcity_pkg.bundle.keys import SigningKey, load_signing_key, new_key, public_path
from smartcity_pkg.bundle.pack import Packed, PackRequest, pack, resolve_images
from smartcity_pkg.bundle.sources import ImageSource
from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.catalogue.pemda import Document
from smartcity_pkg.catalogue.plan import Plan, PlannedApp
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest

Images = Mapping[str, Sequence[bytes]]

FILES = {
    "server-1/laksa/compose.yaml": b"services: {}\n",
    "server-1/laksa/app.json": b'{"kategori": ["Jalan", "Sampah"]}\n',
    "server-1/gateway/nginx.conf": b"events {}\n",
}


def layer(files: Mapping[str, bytes]) -> bytes:
    """A layer's tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def config_of(layers: Sequence[bytes], **more: Any) -> bytes:
    """An image config as engines write it: not canonical, with fields that we ignore."""
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/app"], **more},
            "history": [],
            "rootfs": {"type": "layers", "diff_ids": [digest.of_bytes(x) for x in layers]},
        },
        indent=1,
    ).encode()


def zstd(data: bytes) -> bytes:
    """`data` as one zstd frame."""
    compressor = compression.compressor()
    return compressor.compress(data) + compressor.flush()


def write_layout(folder: Path, images: Images, encode: Callable[[bytes], bytes] = bytes) -> Path:
    """An OCI layout as skopeo and buildx write it, its layers run through `encode`."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, Any]:
        name = digest.of_bytes(data)
        (blobs / digest.hex_of(name)).write_bytes(data)
        return {"digest": name, "size": len(data)}

    manifests = []
    for reference, layers in images.items():
        manifest = {
            "schemaVersion": 2,
            "mediaType": oci.MANIFEST,
            "config": {"mediaType": oci.CONFIG, **put(config_of(layers))},
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar", **put(encode(x))}
                for x in layers
            ],
        }
        described = {"mediaType": oci.MANIFEST, **put(json.dumps(manifest).encode())}
        manifests.append({**described, "annotations": {oci.REF_NAME: reference}})
    index = {"schemaVersion": 2, "manifests": manifests}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_bytes(oci.LAYOUT_BYTES)
    return folder


def add_to_tar(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """One regular file."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def write_old_archive(path: Path, images: Images) -> Path:
    """What `docker save` of an engine 20.10 writes: ID/layer.tar, shared layers as symlinks."""
    with tarfile.open(path, "w") as tar:
        entries = []
        places: dict[bytes, str] = {}
        for reference, layers in images.items():
            config = config_of(layers)
            named = []
            for depth, data in enumerate(layers):
                seed = f"{reference} {depth} {digest.of_bytes(data)}"
                folder = digest.hex_of(digest.of_bytes(seed.encode()))
                add_to_tar(tar, f"{folder}/VERSION", b"1.0")
                add_to_tar(tar, f"{folder}/json", b'{"id":"x"}')
                if data in places:
                    info = tarfile.TarInfo(f"{folder}/layer.tar")
                    info.type, info.linkname = tarfile.SYMTYPE, f"../{places[data]}"
                    tar.addfile(info)
                else:
                    add_to_tar(tar, f"{folder}/layer.tar", data)
                    places[data] = f"{folder}/layer.tar"
                named.append(f"{folder}/layer.tar")
            name = f"{digest.hex_of(digest.of_bytes(config))}.json"
            add_to_tar(tar, name, config)
            entries.append({"Config": name, "RepoTags": [reference], "Layers": named})
        add_to_tar(tar, "manifest.json", json.dumps(entries).encode())
        add_to_tar(tar, "repositories", b"{}")
    return path


def write_new_archive(path: Path, images: Images, encode: Callable[[bytes], bytes] = bytes) -> Path:
    """What `docker save` of an engine 25 or newer writes: an OCI layout and manifest.json."""
    entries, manifests = [], []
    blobs: dict[str, bytes] = {}
    for reference, layers in images.items():
        config, stored = config_of(layers), [encode(x) for x in layers]
        manifest = oci.manifest_json(
            oci.descriptor(config, oci.CONFIG),
            [oci.descriptor(x, "application/vnd.oci.image.layer.v1.tar") for x in stored],
        )
        blobs |= {oci.blob_name(digest.of_bytes(x)): x for x in (config, manifest, *stored)}
        names = [oci.blob_name(digest.of_bytes(x)) for x in (config, *stored)]
        entries.append({"Config": names[0], "RepoTags": [reference], "Layers": names[1:]})
        named = {
            "io.containerd.image.name": f"docker.io/{reference}",
            oci.REF_NAME: reference.rsplit(":")[-1],
        }
        manifests.append(oci.descriptor(manifest, oci.MANIFEST, annotations=named))
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for folder in ("blobs", "blobs/sha256"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name in sorted(blobs):
            add_to_tar(tar, name, blobs[name])
        add_to_tar(tar, "index.json", oci.index_json(manifests))
        add_to_tar(tar, "manifest.json", json.dumps(entries).encode())
        add_to_tar(tar, "oci-layout", oci.LAYOUT_BYTES)
    return path


def plan() -> Plan:
    """A plan with one app."""
    return Plan(
        region="32.15",
        pemda="Kabupaten Karawang",
        catalogue_digest=digest.of_bytes(b"catalogue"),
        profile_digest=digest.of_bytes(b"profile"),
        benefit=90,
        bound=90,
        apps=(PlannedApp(app="laksa", version="1.0.0", servers=("server-1",), reason="wajib"),),
    )


@dataclass(frozen=True)
class Keys:
    """A signing key, and those who trust it."""

    signing: SigningKey
    trusted: TrustedKeys


def make_keys(folder: Path, name: str = "release") -> Keys:
    """A new key pair in `folder`."""
    path = folder / f"{name}.key"
    new_key(path)
    return Keys(load_signing_key(path), TrustedKeys.from_pem([public_path(path).read_bytes()]))


def grant_bytes(
    key: SigningKey,
    *,
    region: str = "32.15",
    apps: Literal["all"] | tuple[str, ...] = "all",
    valid_from: date = date(2020, 1, 1),
    expires: date | None = None,
) -> bytes:
    """A signed grant for a pemda."""
    paper = Document(number="PKS/1/2020", date=date(2020, 1, 1))
    grant = Grant(
        region=region,
        pemda="Kabupaten Karawang",
        mou=paper,
        pks=paper,
        apps=apps,
        valid_from=valid_from,
        expires=expires,
    )
    return envelope_of(grant).signed_by(key).to_json()


def packed(
    source: ImageSource,
    references: Sequence[str],
    keys: Keys,
    output: Path | Callable[[Release], Path],
    *,
    cache: Path,
    files: Mapping[str, bytes] = FILES,
    grant: bytes | None = None,
    unsigned: bool = False,
) -> Packed:
    """Resolve and pack, as the command line does."""
    images = resolve_images(source, references, cache)
    return pack(
        PackRequest(
            plan=plan(),
            serial=1,
            files=files,
            apps=(),
            images=images,
            source=source,
            cache=cache,
            signing_key=None if unsigned else keys.signing,
            grant=grant_bytes(keys.signing) if grant is None else grant,
            output=output,
            entrance_ports={"server-1": 80},
        )
    )


def raw_layers(contents: BundleContents, opened: Callable[[str], Any]) -> dict[str, bytes]:
    """Every layer of a bundle, decompressed, by diffID."""
    found = {}
    for diff_id, packed_layer in contents.layers.items():
        with opened(packed_layer.blob.digest) as stream:
            found[diff_id] = b"".join(compression.decompressed(stream))
    return found


def gzipped(data: bytes) -> bytes:
    """`data` as gzip."""
    return gzip.compress(data, mtime=0)
