"""Bundles in memory whose layers are chosen by the test, and hosts that fail when they are told."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from smartcity_pkg.bundle import compression
from smartcity_pkg.bundle.contents import Blob, BundleContents, PackedLayer, Signature
from smartcity_pkg.catalogue.plan import Plan, PlannedApp
from smartcity_pkg.catalogue.release import Layer, Release, ReleaseApp, ReleaseImage, pinned
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import UntrustedBundleError
from smartcity_pkg.hosts.facts import EngineFacts, EngineImage, FileSystem, ServerFacts
from smartcity_pkg.hosts.host import DEFAULT_TIMEOUT_S, Completed, Host, HostAround

SERVER = "balai-kota"
GIB = 1 << 30


@dataclass
class MemoryBundle:
    """A `BlobReader` over a dict."""

    blobs: dict[str, bytes] = field(default_factory=dict)

    def put(self, data: bytes) -> str:
        name = digest.of_bytes(data)
        self.blobs[name] = data
        return name

    def open(self, digest: str) -> BinaryIO:
        if digest not in self.blobs:
            raise UntrustedBundleError(f"{digest} is missing")
        return io.BytesIO(self.blobs[digest])

    def read(self, digest: str) -> bytes:
        return self.open(digest).read()


def zstd(data: bytes) -> bytes:
    packer = compression.compressor()
    return packer.compress(data) + packer.flush()


def pack(
    images: Mapping[str, Sequence[bytes]], documents: Sequence[bytes] = (), serial: int = 1
) -> tuple[MemoryBundle, BundleContents]:
    """A bundle of `images` (source to layers) that all run on `SERVER`."""
    bundle = MemoryBundle()
    layers: dict[str, PackedLayer] = {}
    small: dict[str, Blob] = {}

    def document(data: bytes) -> str:
        name = bundle.put(data)
        small[name] = Blob(name, len(data), "application/json")
        return name

    found = []
    for source, raws in sorted(images.items()):
        for raw in raws:
            blob = bundle.put(zstd(raw))
            diff_id = digest.of_bytes(raw)
            packed = Blob(
                blob, len(bundle.blobs[blob]), "application/vnd.oci.image.layer.v1.tar+zstd"
            )
            layers[diff_id] = PackedLayer(diff_id, len(raw), packed)
        chain = [Layer(diff_id=digest.of_bytes(raw), size_bytes=len(raw)) for raw in raws]
        config = document(digest.canonical_json([source, [x.diff_id for x in chain]]))
        found.append(
            ReleaseImage(
                reference=pinned(source, config),
                source=source,
                config_digest=config,
                layers=tuple(chain),
                architecture="amd64",
                os="linux",
                sbom_digest=digest.of_bytes(b"packages of " + source.encode()),
            )
        )
    files = document(b"files of the release %d" % serial)
    for data in documents:
        document(data)
    app = ReleaseApp(
        app="laksa",
        version="1.0.0",
        server=SERVER,
        project="laksa",
        compose_files=("compose.yaml",),
        env_file="env",
        services=("web",),
        images=tuple(i.reference for i in found),
        networks=(),
        config_digest=files,
    )
    plan = Plan(
        region="32.15",
        pemda="Kabupaten Karawang",
        catalogue_digest=files,
        profile_digest=files,
        benefit=1,
        bound=1,
        apps=(PlannedApp(app="laksa", version="1.0.0", servers=(SERVER,), reason="wajib"),),
    )
    release = Release(
        region="32.15",
        serial=serial,
        plan=plan,
        apps=(app,),
        images=tuple(found),
        files={},
        files_digest=files,
    )
    root = document(release.to_json())
    contents = BundleContents(
        root_digest=root,
        release=release,
        layers=layers,
        small_blobs=tuple(small.values()),
        signatures=(Signature("kunci", b'{"critical": {}}', "dGFuZGE="),),
    )
    return bundle, contents


def facts(
    *,
    blobs: Mapping[str, int] | None = None,
    chains: Iterable[Sequence[str]] = (),
    tags: Mapping[int, str] | None = None,
    containerd: bool = False,
    tools: Iterable[str] = ("zstd", "gzip", "tar"),
    offers: Iterable[str] = (),
    store_free: int = 100 * GIB,
    engine_free: int = 100 * GIB,
    one_disk: bool = True,
) -> ServerFacts:
    """A server's facts; `tags` gives the chain of that number a tag."""
    return ServerFacts(
        clock_s=1_700_000_000,
        architecture="amd64",
        cpus=2,
        memory_bytes=4 * GIB,
        memory_available_bytes=3 * GIB,
        tools=frozenset(tools),
        store_disk=FileSystem(1, store_free, 200 * GIB),
        docker_installed=True,
        engine=EngineFacts(
            version="26.1.5",
            driver="overlayfs" if containerd else "overlay2",
            containerd_store=containerd,
            root_dir="/var/lib/docker",
            swarm="inactive",
            compose_version="2.26.1",
        ),
        engine_disk=FileSystem(1 if one_disk else 2, engine_free, 200 * GIB),
        images=tuple(
            EngineImage(
                f"sha256:{number:064x}",
                tuple(chain),
                ((tags or {})[number],) if number in (tags or {}) else (),
            )
            for number, chain in enumerate(chains)
        ),
        blobs=dict(blobs or {}),
        offers=frozenset(offers),
    )


class CutAfter(HostAround):
    """A real host whose link `cut` ends once `n_bytes` of input were given to it."""

    def __init__(self, inside: Host, n_bytes: int, cut: Callable[[], object]) -> None:
        super().__init__(inside)
        self._left = n_bytes
        self._cut = cut

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        check: bool = True,
    ) -> Completed:
        chunks = (stdin,) if isinstance(stdin, bytes) else stdin
        return self.inside.run(argv, stdin=self._fed(chunks), timeout_s=timeout_s, check=check)

    def _fed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            before, self._left = self._left, self._left - len(chunk)
            if before > 0 >= self._left:
                self._cut()


class Before(HostAround):
    """A real host where `act` happens before the first `times` commands that say `word`."""

    def __init__(self, inside: Host, word: str, act: Callable[[], object], times: int = 1) -> None:
        super().__init__(inside)
        self._word = word
        self._act = act
        self._times = times

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout_s: float = DEFAULT_TIMEOUT_S,
        check: bool = True,
    ) -> Completed:
        if self._times and any(self._word in argument for argument in argv):
            self._times -= 1
            self._act()
        return self.inside.run(argv, stdin=stdin, timeout_s=timeout_s, check=check)
