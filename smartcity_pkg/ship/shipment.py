"""One release on its way to one server: sends what a `TransferPlan` says, over any cuts.

What travels is decided in `ship.plan`, how content gets its name on the server in `hosts.store`,
when to connect again in `ship.transfer`. The last thing written is the offer: where it is,
everything it needs has arrived.
"""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO, Literal

from smartcity_pkg.bundle.contents import BlobReader, BundleContents, Offer, OfferedSignature
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import RemoteCommandError, UntrustedBundleError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, Transfer
from smartcity_pkg.hosts.facts import ServerFacts, gather, need_engine
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.hosts.store import SLOWEST_LINK, PartState, Store, StorePaths
from smartcity_pkg.hosts.storescripts import Encoding
from smartcity_pkg.ship.batches import batches
from smartcity_pkg.ship.documents import put_documents
from smartcity_pkg.ship.gziponce import GzipOnce
from smartcity_pkg.ship.lanes import Lanes
from smartcity_pkg.ship.meter import Meter, MeteredHost
from smartcity_pkg.ship.pace import Pace, WindowClosedError
from smartcity_pkg.ship.patching import Patcher
from smartcity_pkg.ship.plan import PlannedBlob, TransferPlan, plan_transfer
from smartcity_pkg.ship.recovery import recover
from smartcity_pkg.ship.wire import Wire, check

_REPORT_BYTES = 256 << 10
_NOTHING = PartState(0, digest.of_bytes(b""))


@dataclass(frozen=True)
class ShippedLayer:
    """What happened to one layer: found in the server's store or engine, or sent (and how).

    `recovered` was in the engine and brought into the store. `size_bytes` would have travelled, or
    did.
    """

    diff_id: str
    outcome: Literal["store", "engine", "recovered", "zstd", "gzip", "none", "patch"]
    size_bytes: int


@dataclass(frozen=True)
class ShipReport:
    """What one `ship` did.

    `bytes_sent` counts every byte given to the connection: content, commands, what was sent twice
    (`bytes_resent`). `bytes_saved` is the content that needed not travel, of it
    `bytes_patched` because patches went in place of layers. `already_there` is true
    where the release had wholly arrived before.
    """

    server: str
    release: str
    already_there: bool
    bytes_sent: int
    bytes_saved: int
    bytes_patched: int
    bytes_resent: int
    reconnects: int
    seconds: float
    layers: tuple[ShippedLayer, ...]


class Shipment:
    """One release on its way to one server, over as many connections as it takes."""

    def __init__(
        self,
        bundle: BlobReader,
        contents: BundleContents,
        server: str,
        progress: Progress,
        paths: StorePaths | None,
        trust_engine: bool,
        receipt: bytes,
        patcher: Patcher | None,
        pace: Pace,
        gzips: GzipOnce,
    ) -> None:
        self._bundle = _Shelf(bundle, patcher)
        self._contents = contents
        self._server = server
        self._progress = progress
        self._paths = paths or StorePaths()
        self._trust_engine = trust_engine
        self._receipt = receipt
        self._patcher = patcher
        self._lost: set[str] = set()  # bases that the server did not give, or gave wrong
        self._recovered: set[str] = set()  # bases that are in the store for this shipment alone
        self._pace = pace
        self._gzips = gzips
        self._lanes = Lanes()
        self._meter = Meter()
        self._whole: dict[str, PlannedBlob] = {}
        self._first_plan: TransferPlan | None = None
        self._reached: dict[str, int] = {}  # how far each part was sent, in bytes
        self._verified: dict[str, int] = {}  # how much of each part the server is known to hold
        self._resent_bytes = 0
        self._reported = 0
        self._counts = threading.Lock()
        self._finishing = threading.Lock()  # one at a time: a server may have little memory
        self.connections = 0

    @property
    def landed_bytes(self) -> int:
        """Bytes of content that the server is known to hold by this shipment."""
        return sum(self._verified.values())

    def over(self, host: Host) -> None:
        """Do what is left to do over one connection."""
        metered = MeteredHost(host, self._meter, self._pace)
        facts = gather(metered, self._paths)
        need_engine(facts, host.name)
        store = Store(metered, self._paths)
        plan = self._planned(store, facts)
        self._first_plan = self._first_plan or plan
        documents = {b.digest: self._bundle.read(b.digest) for b in plan.small}
        book = self._patcher.book if self._patcher else None
        put_documents(store, documents, facts, book.documents.get if book else _unknown)
        begun = {b.part for b in plan.to_send if self._paths.part(b.part).name in facts.parts}

        def send(batch: tuple[PlannedBlob, ...]) -> None:
            if len(batch) > 1:
                self._send_small(store, batch)
                return
            (blob,) = batch
            state = store.part_state(blob.part) if blob.part in begun else _NOTHING
            # A check that outlived its client may have given it its name since we looked.
            if blob.part in begun and not state.size_bytes and self._is_there(store, blob):
                return
            self._send(store, blob, state)

        self._lanes = Lanes()
        self._lanes.each(batches(plan.to_send, begun), send, host.close)
        offer = _offer(self._contents)
        name = self._contents.release.name
        if self._receipt:
            store.write(self._paths.ship_receipt(name), self._receipt, _("the receipt"))
        if not plan.offered or store.read(self._paths.offer(name)) != offer:
            store.write_offer(name, offer)
        if book:
            book.documents.add(documents.values())
        if self._recovered:
            store.remove(self._recovered)
        self._show(last=True)

    def _planned(self, store: Store, facts: ServerFacts) -> TransferPlan:
        """What is sent over this connection; what it builds upon is in the store then."""
        while True:
            plan = plan_transfer(
                self._contents,
                self._server,
                facts,
                trust_engine=self._trust_engine,
                lost=self._lost,
            )
            self._whole = {b.content: b for b in plan.blobs}
            if self._patcher:
                plan = self._patcher.improved(plan, self._contents, facts, self._lost)
            store.prepare()
            wanted = {layer for r in plan.recoveries for layer in r.layers}
            there = recover(store.host, self._paths, plan.recoveries)
            self._recovered |= there & plan.bases
            if there >= wanted:
                return plan
            self._lost |= wanted - there
            facts = gather(store.host, self._paths)

    @property
    def plan(self) -> TransferPlan:
        """What was planned over the first connection."""
        assert self._first_plan is not None
        return self._first_plan

    def report(self, seconds: float) -> ShipReport:
        """What happened, after `over` came to its end."""
        plan = self.plan
        return ShipReport(
            server=self._server,
            release=self._contents.release.name,
            already_there=plan.nothing_to_do,
            bytes_sent=self._meter.sent_bytes,
            bytes_saved=plan.saved_bytes,
            bytes_patched=plan.patched_bytes,
            bytes_resent=self._resent_bytes,
            reconnects=self.connections - 1,
            seconds=round(seconds, 3),
            layers=tuple(
                ShippedLayer(
                    diff_id=b.content,
                    outcome=b.encoding if b.where == "wire" else b.where,
                    size_bytes=b.wire_bytes,
                )
                for b in plan.blobs
                if b.is_layer
            ),
        )

    def _send(self, store: Store, blob: PlannedBlob, state: PartState) -> None:
        """Bring one blob to its final name, from the offset that the server really holds."""
        for _attempt in range(2):
            self._append(store, blob, state)
            with self._finishing:
                arrived = store.finish(
                    blob.part,
                    wire_digest=blob.wire_digest,
                    content=blob.content,
                    size_bytes=blob.size_bytes,
                    encoding=blob.encoding,
                    old=blob.old,
                )
            if arrived or self._is_there(store, blob):
                self._verified[blob.part] = blob.wire_bytes
                return
            store.discard(blob.part)
            check(self._bundle, blob)
            # Our bytes were right, the server's are not: another client met us, or its disk lies.
            state = _NOTHING
            if blob.encoding == "patch":  # or its old layer is not what ours is
                self._lost.add(blob.old)
                blob = self._whole[blob.content]
        raise RemoteCommandError(
            _("{server}: the layer {digest} arrives, but the disk holds other bytes").format(
                server=self._server, digest=blob.content[:19]
            ),
            _("check the server's disk and memory (dmesg, smartctl), then ship again"),
        )

    def _is_there(self, store: Store, blob: PlannedBlob) -> bool:
        return blob.content in store.present([blob.content])

    def _send_small(self, store: Store, batch: tuple[PlannedBlob, ...]) -> None:
        """Bring several small blobs in one round trip; what arrives is checked there."""
        items: dict[str, tuple[Encoding, bytes]] = {}
        for blob in batch:
            check(self._bundle, blob)
            with closing(Wire(self._bundle, blob, self._gzips)) as wire:
                items[blob.content] = (blob.encoding, b"".join(wire.rest(lambda _at: None)))
        if not self._pace.is_open:
            raise WindowClosedError
        store.put_encoded(items)
        for blob in batch:
            self._verified[blob.part] = self._reached[blob.part] = blob.wire_bytes
        self._show()

    def _append(self, store: Store, blob: PlannedBlob, state: PartState) -> None:
        with closing(Wire(self._bundle, blob, self._gzips)) as wire:
            if wire.skip(state):
                self._stream(store, blob, wire)
                return
        store.discard(blob.part)
        with closing(Wire(self._bundle, blob, self._gzips)) as wire:
            self._stream(store, blob, wire)

    def _stream(self, store: Store, blob: PlannedBlob, wire: Wire) -> None:
        offset = wire.offset
        with self._counts:
            self._verified[blob.part] = offset
            self._resent_bytes += max(0, self._reached.get(blob.part, 0) - offset)
            self._reached[blob.part] = offset

        closed = threading.Event()

        def report(at: int) -> None:
            self._reached[blob.part] = at
            self._show()

        try:
            if not offset or offset < blob.wire_bytes or blob.wire_digest is None:
                # Others may be sent before it, while its command waits there.
                remaining = max(self._total(), blob.size_bytes)
                patience = int(remaining * self._pace.slowdown(SLOWEST_LINK))
                chunks = self._pace.while_open(wire.rest(report), closed.set)
                with closing(self._lanes.in_turn(chunks)) as turn:
                    store.append(blob.part, offset, turn, patience)
                if closed.is_set():
                    raise WindowClosedError
        except UntrustedBundleError:
            store.discard(blob.part)
            raise

    def _total(self) -> int:
        plan = self._first_plan
        return sum(b.wire_bytes for b in plan.to_send) if plan else 0

    def _show(self, last: bool = False) -> None:
        total = self._total()
        with self._counts:
            done = sum(self._reached.values())
            if not total or (not last and abs(done - self._reported) < _REPORT_BYTES):
                return
            self._reported = done
            text = _("Sending to {server}").format(server=self._server)
            # gzip's size is an estimate until its end, and the end is shown as the end.
            shown = total if last else min(done, total)
            saved = self._first_plan.saved_bytes if self._first_plan else 0
            self._progress(Transfer(f"ship:{self._server}", text, shown, total, saved))


class _Shelf:
    """The blobs of the bundle, and the patches that were made from it."""

    def __init__(self, bundle: BlobReader, patcher: Patcher | None) -> None:
        self._bundle = bundle
        self._patcher = patcher

    def open(self, blob_digest: str) -> BinaryIO:
        """A stream over a patch, else over a blob of the bundle."""
        patch = self._patcher.book.open(blob_digest) if self._patcher else None
        return patch or self._bundle.open(blob_digest)

    def read(self, blob_digest: str) -> bytes:
        """A small blob of the bundle."""
        return self._bundle.read(blob_digest)


def _unknown(_digest: str) -> None:
    """No document is known here."""


def _offer(contents: BundleContents) -> bytes:
    signatures = tuple(
        OfferedSignature(key_id=s.key_id, payload=s.payload.decode(), signature=s.signature)
        for s in contents.signatures
    )
    offer = Offer(root_digest=contents.root_digest, signatures=signatures)
    return digest.canonical_json(offer.model_dump(mode="json"))
