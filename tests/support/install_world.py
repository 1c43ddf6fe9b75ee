"""Two tiny apps as real signed releases, and their content put into a server's store by hand.

`penyimpan` keeps a volume and a secret; `lapor` requires it, shares its secret, and answers on the
public entrance. Images are made here, byte by byte, from busybox; bundles by the real packer.
"""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from bundle_world import grant_bytes

from smartcity_pkg.bundle import oci
from smartcity_pkg.bundle.compression import decompressed
from smartcity_pkg.bundle.contents import BundleContents, Offer, OfferedSignature
from smartcity_pkg.bundle.keys import SigningKey, new_key
from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.pack import PackRequest, pack, resolve_images
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.trust import TrustedKeys, files_of
from smartcity_pkg.catalogue.app import Hook, Route
from smartcity_pkg.catalogue.exemption import Exemption
from smartcity_pkg.catalogue.plan import Plan, PlannedApp, Usage
from smartcity_pkg.catalogue.policy import Policy
from smartcity_pkg.catalogue.release import (
    Layer,
    Release,
    ReleaseApp,
    ReleaseImage,
    SecretFile,
    pinned,
)
from smartcity_pkg.core import digest
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.hosts.store import StorePaths

SERVER = "s1"
PORT = 8088
NETWORK = "smartcity-penyimpan"
# Some stories need apps that cannot say whether they are well.
_REASON = "Stories about apps that cannot tell how they are"
POLICY = Policy(
    schema_version=1,
    exemptions=tuple(
        Exemption(app=app, rule="SC029", reason=_REASON) for app in ("lapor", "ekstra")
    ),
)
_APPLETS = "sh httpd sleep test cat echo true false touch mkdir wget ls date tar rm mv rmdir"
_RESTORE = """rm -rf /data/.new; mkdir /data/.new; cd /data
tar -xf - -C .new || { rm -rf .new; exit 1; }
rm -f ./*; mv .new/* . 2>/dev/null; rm -rf .new"""


@dataclass(frozen=True)
class Image:
    """An image as bytes: its configuration and its raw layers, lowest first."""

    source: str
    config: bytes
    layers: tuple[bytes, ...]

    @property
    def described(self) -> ReleaseImage:
        """The image as a release names it."""
        of_config = digest.of_bytes(self.config)
        return ReleaseImage(
            reference=pinned(self.source, of_config),
            source=self.source,
            config_digest=of_config,
            layers=tuple(
                Layer(diff_id=digest.of_bytes(la), size_bytes=len(la)) for la in self.layers
            ),
            architecture="amd64",
            os="linux",
            sbom_digest=digest.of_bytes(b"packages of " + self.config),
        )


def tar_of(files: dict[str, bytes | str], links: dict[str, str] | None = None) -> bytes:
    """A layer: files by name (bytes; a text makes it executable) and symbolic links."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in sorted(files.items()):
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
        for name, to in sorted((links or {}).items()):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, to
            tar.addfile(entry)
    return stream.getvalue()


def image(source: str, layers: tuple[bytes, ...], **config: Any) -> Image:
    """An image of `layers` that runs as `config` says (Docker's words)."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sleep", "100000"], **config},
        "rootfs": {"type": "layers", "diff_ids": [digest.of_bytes(la) for la in layers]},
        "history": [{"created_by": "test"} for _layer in layers],
    }
    return Image(source, digest.canonical_json(document), layers)


def base_layer(busybox: Path) -> bytes:
    """busybox and its names."""
    return tar_of(
        {
            "bin/busybox": busybox.read_bytes(),
            "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",
            "tmp/.keep": b"",
            "data/.keep": b"",
        },
        {f"bin/{applet}": "busybox" for applet in _APPLETS.split()},
    )


@dataclass(frozen=True)
class Draft:
    """What a release's `lapor` is like; the defaults are good."""

    serial: int = 1
    version: str = "1.0.0"
    page: str = "satu"
    healthy: str = "wget -q -O /dev/null http://127.0.0.1:8080/lapor/sehat"
    command: str = "echo 'lapor is starting'; exec httpd -f -p 8080 -h /www"
    migrate: str = "true"
    backup: str = ""
    restore: str = _RESTORE
    verify: str = "tar -tf - >/dev/null"
    has_check: bool = True
    start_period_s: int = 1
    restart: Literal["any", "none"] = "any"
    store_version: str = "1.0.0"
    with_extra: bool = False
    route_health: str = "/lapor/sehat"
    region: str = "32.15"
    server: str = SERVER
    entrance: bool = True
    memory_mib: float = 64
    granted: Literal["all"] | tuple[str, ...] = "all"
    expires: date | None = None


@dataclass
class World:
    """Where bundles are made: a folder, a key, busybox."""

    folder: Path
    busybox: Path
    key: SigningKey
    _made: dict[Draft, tuple[Path, BundleContents]] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, busybox: Path) -> World:
        """A world with a new key."""
        return cls(folder, busybox, new_key(folder / "release.key"))

    @property
    def trusted(self) -> TrustedKeys:
        """The key that signs here."""
        return TrustedKeys.from_pem([self.key.public_pem])

    def bundle(self, draft: Draft) -> tuple[Path, BundleContents]:
        """The signed bundle of a draft; made once."""
        if draft not in self._made:
            self._made[draft] = self._pack(draft)
        return self._made[draft]

    def files(self, draft: Draft) -> dict[str, bytes]:
        """The rendered files of a draft's bundle."""
        path, contents = self.bundle(draft)
        with open_bundle(path) as bundle:
            return files_of(contents.release, bundle.read)

    def ship(
        self,
        host: Host,
        draft: Draft,
        *,
        store: StorePaths | None = None,
        leave_out: tuple[str, ...] = (),
    ) -> Release:
        """Put all content of a release into the store by hand; not the layers `leave_out`."""
        path, contents = self.bundle(draft)
        store = store or StorePaths()
        put = script('mkdir -p "${1%/*}"; cat > "$1.part"; mv "$1.part" "$1"; chmod 644 "$1"')
        with open_bundle(path) as bundle:
            for blob in contents.small_blobs:
                target = str(store.blob(blob.digest))
                host.run((*put, target), stdin=bundle.read(blob.digest))
            for diff_id, layer in contents.layers.items():
                if diff_id not in leave_out:
                    raw = b"".join(decompressed(bundle.open(layer.blob.digest)))
                    host.run((*put, str(store.blob(diff_id))), stdin=raw)
            offer = Offer(
                root_digest=contents.root_digest,
                signatures=tuple(
                    OfferedSignature(
                        key_id=s.key_id, payload=s.payload.decode(), signature=s.signature
                    )
                    for s in contents.signatures
                ),
            )
        release = contents.release
        host.run((*put, str(store.offer(release.name))), stdin=offer.model_dump_json().encode())
        return release

    # -- making ---------------------------------------------------------------------------------

    def images(self, draft: Draft) -> dict[str, Image]:
        """The images of a draft by app."""
        base = base_layer(self.busybox)
        page = f"{draft.page}\n".encode()
        pages: dict[str, bytes | str] = {"www/lapor/sehat": page, "www/lapor/index.html": page}
        check = {"Test": ["CMD-SHELL", draft.healthy], "Interval": 10**9, "Timeout": 10**9,
                 "Retries": 3, "StartPeriod": draft.start_period_s * 10**9}  # fmt: skip
        made = {
            "penyimpan": image(
                f"contoh/penyimpan:{draft.store_version}",
                (base, tar_of({"etc/version": draft.store_version.encode()})),
                Healthcheck={**check, "Test": ["CMD", "test", "-d", "/data"]},
            ),
            "lapor": image(
                f"contoh/lapor:{draft.version}",
                (base, tar_of({**pages, "bin/serve": f"#!/bin/sh\n{draft.command}\n"})),
                Cmd=["serve"],
                **({"Healthcheck": check} if draft.has_check else {}),
            ),
        }
        if draft.with_extra:
            made["ekstra"] = image("contoh/ekstra:1.0.0", (base, tar_of({"etc/ekstra": b"1"})))
        return made

    def _pack(self, draft: Draft) -> tuple[Path, BundleContents]:
        images = self.images(draft)
        layout = self.folder / f"layout-{len(self._made)}"
        write_layout(layout, list(images.values()))
        source = layout_source(layout)
        cache = self.folder / "cache"
        resolved = resolve_images(source, [i.source for i in images.values()], cache)
        files: dict[str, bytes] = {}
        apps = [self._app(draft, name, i.described, files) for name, i in images.items()]
        packed = pack(
            PackRequest(
                plan=_plan(draft, apps),
                serial=draft.serial,
                files=files,
                apps=apps,
                images=resolved,
                source=source,
                cache=cache,
                signing_key=self.key,
                grant=grant_bytes(
                    self.key, region=draft.region, apps=draft.granted, expires=draft.expires
                ),
                output=self.folder / f"bundle-{len(self._made)}",
                entrance_ports={draft.server: PORT} if draft.entrance else {},
                policy=POLICY,
            )
        )
        return packed.path, packed.contents

    def _app(
        self, draft: Draft, name: str, made: ReleaseImage, files: dict[str, bytes]
    ) -> ReleaseApp:
        folder = f"{draft.server}/{name}"
        own = {
            "compose.yaml": _yaml(_compose(draft, name)),
            "compose.smartcity.yaml": _yaml(_second(name, made.reference)),
            ".env": f"SMARTCITY_APP={name}\n".encode(),
        }
        files |= {f"{folder}/{path}": data for path, data in own.items()}
        consumer = name == "lapor"
        secrets = [SecretFile(source="lapor/sandi", path="lapor/sandi", uid=10001)]
        if name == "penyimpan":
            secrets = [SecretFile(source="lapor/sandi", path="penyimpan/lapor_sandi", uid=10002)]
        return ReleaseApp(
            app=name,
            version=draft.version if consumer else "1.0.0",
            server=draft.server,
            project=f"smartcity-{name}",
            compose_files=(f"{folder}/compose.yaml", f"{folder}/compose.smartcity.yaml"),
            env_file=f"{folder}/.env",
            services=(name,),
            images=(made.reference,),
            networks=(NETWORK,) if name != "ekstra" else (),
            secrets=tuple(secrets) if name != "ekstra" else (),
            routes=(Route(path="/lapor/", service=name, port=8080, health=draft.route_health),)
            if consumer
            else (),
            **(_hooks(draft) if consumer else {}),
            after=("penyimpan",) if consumer else (),
            config_digest=digest.of_bytes(digest.canonical_json(sorted(map(str, own.items())))),
        )


def _hooks(draft: Draft) -> dict[str, Hook]:
    """The hooks of `lapor`: those for backups only where the draft has one."""
    names = ("migrate", "backup", "restore", "verify") if draft.backup else ("migrate",)
    return {n: Hook(service="lapor", command=("sh", "-c", getattr(draft, n))) for n in names}


def write_layout(folder: Path, images: list[Image]) -> None:
    """An OCI image layout with raw layers."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    entries = []
    for one in images:
        layers = []
        for data in one.layers:
            layers.append(oci.descriptor(data, "application/vnd.oci.image.layer.v1.tar"))
        manifest = oci.manifest_json(oci.descriptor(one.config, oci.CONFIG), layers)
        for blob in (one.config, manifest, *one.layers):
            (blobs / digest.hex_of(digest.of_bytes(blob))).write_bytes(blob)
        entries.append(
            oci.descriptor(manifest, oci.MANIFEST, annotations={oci.REF_NAME: one.source})
        )
    index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": entries}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_bytes(oci.LAYOUT_BYTES)


def busybox_of(root: Path) -> Path:
    """The static busybox below a server's root file system."""
    return root / "usr/bin/busybox"


def _plan(draft: Draft, apps: list[ReleaseApp]) -> Plan:
    return Plan(
        region=draft.region,
        pemda="Contoh",
        catalogue_digest=digest.of_bytes(b"c"),
        profile_digest=digest.of_bytes(b"p"),
        benefit=1,
        bound=1,
        apps=tuple(
            PlannedApp(app=a.app, version=a.version, servers=(draft.server,), reason="test")
            for a in apps
        ),
        usage=(
            Usage(scope=draft.server, limit="memory_mib", used=draft.memory_mib, available=4096),
        ),
    )


def _compose(draft: Draft, name: str) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": f"contoh/{name}:1",
        "stop_grace_period": "0s",
        "volumes": ["data:/data"],
        "deploy": {
            "restart_policy": {"condition": draft.restart, "delay": "100ms"},
            "resources": {"limits": {"memory": "64M", "cpus": "1"}},
        },
        "environment": {"VERSION": draft.version if name == "lapor" else draft.store_version},
    }
    if name == "penyimpan":
        service["healthcheck"] = {"test": ["CMD", "test", "-d", "/data"]}
    if name == "lapor" and draft.has_check:
        service["healthcheck"] = {"test": ["CMD-SHELL", draft.healthy.replace("$", "$$")]}
    if name == "lapor":
        service["ports"] = [{"target": 8080, "published": str(PORT), "mode": "host"}]
    if name != "ekstra":
        service["secrets"] = ["sandi"]
    return {"services": {name: service}, "volumes": {"data": {}}}


def _second(name: str, reference: str) -> dict[str, Any]:
    service: dict[str, Any] = {"image": reference, "pull_policy": "never"}
    document: dict[str, Any] = {"services": {name: service}}
    if name != "ekstra":
        service["networks"] = ["default", NETWORK]
        document["networks"] = {NETWORK: {"external": True}}
        path = "lapor/sandi" if name == "lapor" else "penyimpan/lapor_sandi"
        document["secrets"] = {"sandi": {"file": f"{StorePaths().secrets}/{path}"}}
    return document


def _yaml(document: dict[str, Any]) -> bytes:
    return yaml.safe_dump(document, sort_keys=False).encode()
