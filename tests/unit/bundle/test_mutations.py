"""Thousands of changed bundles, from a fixed seed: none is accepted, none crashes, none escapes.

SMARTCITY_MUTATIONS says how many (default 1,000; docs/measurements.md has a run of 10,000).
"""

from __future__ import annotations

import os
import random
import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from bundle_forge import Files, blob, edited, replaced, roots, signed, unsigned
from bundle_world import Keys, make_keys, zstd

from smartcity_pkg.bundle import oci, ustar
from smartcity_pkg.bundle.keys import SigningKey
from smartcity_pkg.bundle.ring import Ring, RingKey, TrustedKeys
from smartcity_pkg.bundle.verify import verify
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, UntrustedBundleError

COUNT = int(os.environ.get("SMARTCITY_MUTATIONS", "1000"))
MOST_KIB = 300 << 10


@dataclass(frozen=True)
class Material:
    """A good bundle in both forms, its key, and a thief's key."""

    files: Files
    tar: bytes
    mine: SigningKey
    thief: SigningKey
    ring: Ring


Mutation = Callable[[random.Random, Material], bytes]


def flipped(chance: random.Random, m: Material) -> bytes:
    """One to eight bits."""
    data = bytearray(m.tar)
    for _bit in range(chance.randint(1, 8)):
        place = chance.randrange(len(data))
        data[place] ^= 1 << chance.randrange(8)
    return bytes(data) if bytes(data) != m.tar else m.tar[:-1]


def cut(chance: random.Random, m: Material) -> bytes:
    return m.tar[: chance.randrange(ustar.BLOCK_BYTES, len(m.tar))]


def longer(chance: random.Random, m: Material) -> bytes:
    return m.tar + chance.randbytes(chance.choice((1, 512, 10_240)))


def overwritten(chance: random.Random, m: Material) -> bytes:
    size, place = chance.choice((16, 512, 4096)), chance.randrange(len(m.tar) - 4096)
    noise = chance.choice((bytes(size), chance.randbytes(size), b"9" * size))
    made = m.tar[:place] + noise + m.tar[place + size :]
    return made if made != m.tar else m.tar[:-1]


def block_moved(chance: random.Random, m: Material) -> bytes:
    """A run of blocks twice, left out, or in another place."""
    blocks = [m.tar[i : i + 512] for i in range(0, len(m.tar), 512)]
    start = chance.randrange(len(blocks) - 1)
    part = blocks[start : start + chance.randint(1, 8)]
    kind = chance.choice(("twice", "gone", "moved"))
    rest = blocks[:start] + blocks[start + len(part) :]
    if kind == "twice":
        rest = blocks[:start] + part + blocks[start:]
    elif kind == "moved":
        place = chance.randrange(len(rest))
        rest = rest[:place] + part + rest[place:]
    made = b"".join(rest)
    return made if made != m.tar else m.tar[:-1]


def member_changed(chance: random.Random, m: Material) -> bytes:
    """A header with another type, name, mode or size, its checksum right again."""
    places = [i for i in range(0, len(m.tar), 512) if m.tar[i + 257 : i + 262] == b"ustar"]
    start = chance.choice(places)
    head = bytearray(m.tar[start : start + 512])
    field, value = chance.choice(
        (
            (156, bytes([chance.choice(b"123456xgLKSD")])),  # links, devices, pax, GNU, sparse
            (0, b"../../../../etc/cron.d/x\0"),
            (0, b"/etc/passwd\0"),
            (345, b"../..\0"),
            (100, b"0004755\0"),
            (124, b"77777777777\0"),
            (124, b"\x80" + b"\xff" * 11),
            (157, b"/etc/shadow\0"),
        )
    )
    head[field : field + len(value)] = value
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return m.tar[:start] + bytes(head) + m.tar[start + 512 :]


def blobs_swapped(chance: random.Random, m: Material) -> bytes:
    one, two = chance.sample(sorted(m.files), 2)
    return ustar.pack({**m.files, one: m.files[two], two: m.files[one]})


def blob_gone_or_added(chance: random.Random, m: Material) -> bytes:
    files = dict(m.files)
    if chance.random() < 0.5:
        del files[chance.choice(sorted(files))]
    else:
        data = chance.randbytes(chance.randint(0, 2000))
        files[oci.blob_name(digest.of_bytes(data))] = data
    return ustar.pack(files)


def signed_by_a_thief(chance: random.Random, m: Material) -> bytes:
    """Anything changed, every digest right, signed by somebody else."""
    name = chance.choice([n for n in m.files if n.startswith(oci.BLOBS) and n in inner(m)])
    old = f"sha256:{name.removeprefix(oci.BLOBS)}"
    new = chance.choice((b"", b"{}", chance.randbytes(200), m.files[name] + b" "))
    return ustar.pack(replaced(m.files, old, new, m.thief))


def signatures_stripped(chance: random.Random, m: Material) -> bytes:
    root = roots(m.files)[0]["digest"]
    bare = unsigned(m.files)
    if chance.random() < 0.5:
        return ustar.pack(signed(bare, root))
    signers = [m.thief] * chance.randint(1, 3)
    return ustar.pack(signed(bare, root, *signers))


def _release(m: Material) -> str:
    entry = json_of(blob(m.files, roots(m.files)[0]["digest"]))["manifests"][-1]
    found: str = json_of(blob(m.files, entry["digest"]))["config"]["digest"]
    return found


def json_of(data: bytes) -> dict[str, list[dict[str, str]]]:
    import json

    value: dict[str, list[dict[str, str]]] = json.loads(data)
    return value


def inner(m: Material) -> set[str]:
    """The blobs that the root leads to, and the root."""
    return {n for n in unsigned(m.files) if n.startswith(oci.BLOBS)}


def malformed_by_a_trusted_key(chance: random.Random, m: Material) -> bytes:
    """Even who has the key cannot make a reader crash, or take more than it should."""
    root = roots(m.files)[0]["digest"]
    data = blob(m.files, root)
    layer = json_of(data)["manifests"][0]["digest"]
    layers = json_of(blob(m.files, layer))["layers"]
    depth = chance.choice((40, 900, 100_000))
    old, new = chance.choice(
        (
            (root, data[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}"),
            (root, data[:-1] + b',"manifests":[]}'),
            (root, data[:-1] + b',"x":NaN}'),
            (root, data[:-1] + b',"x":' + b"9" * 10_000 + b"}"),
            (_release(m), edited(blob(m.files, _release(m)), lambda d: d.update(serial=0))),
            (_release(m), edited(blob(m.files, _release(m)), lambda d: d.update(grant_digest=""))),
            (layers[0]["digest"], zstd(bytes(chance.randint(1 << 20, 64 << 20)))),  # a bomb
        )
    )
    return ustar.pack(replaced(m.files, old, new, m.mine))


MUTATIONS: tuple[Mutation, ...] = (
    flipped,
    cut,
    longer,
    overwritten,
    block_moved,
    member_changed,
    blobs_swapped,
    blob_gone_or_added,
    signed_by_a_thief,
    signatures_stripped,
    malformed_by_a_trusted_key,
)


def wrong_rings(material: Material) -> list[TrustedKeys]:
    """Rings that do not trust the good bundle: revoked, expired, too early, too few, wrong role."""
    (key,) = material.ring.keys
    today = date(2026, 6, 15)
    return [
        Ring((replace(key, revoked=today, reason="x"),)).on(today),
        Ring((replace(key, valid_until=date(2026, 6, 14)),)).on(today),
        Ring((replace(key, valid_from=date(2026, 6, 16)),)).on(today),
        Ring((replace(key, roles=frozenset({"release"})),)).on(today),
        Ring((replace(key, roles=frozenset({"grant"})),)).on(today),
        Ring((key,), threshold=2).on(today),
        Ring(()).on(today),
    ]


@pytest.fixture
def material(sound: Files, tar_bytes: bytes, keys: Keys, tmp_path: Path) -> Material:
    thief = make_keys(tmp_path / "thief").signing
    ring = Ring((RingKey(keys.signing.key_id, keys.signing.public_pem),))
    return Material(sound, tar_bytes, keys.signing, thief, ring)


def test_no_changed_bundle_is_accepted_and_none_crashes(material: Material, tmp_path: Path) -> None:
    chance = random.Random(20261124)
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "bundle.tar"
    trusted = material.ring.on(date(2026, 6, 15))
    path.write_bytes(material.tar)
    verify(path, trusted)
    for wrong in wrong_rings(material):
        with pytest.raises(UntrustedBundleError):
            verify(path, wrong)
    refused: Counter[str] = Counter()
    for number in range(COUNT):
        mutation = MUTATIONS[number % len(MUTATIONS)]
        data = mutation(chance, material)
        assert data != material.tar, (number, mutation.__name__)
        path.write_bytes(data)
        with pytest.raises((UntrustedBundleError, InputError)) as caught:
            verify(path, trusted)
            pytest.fail(f"accepted: number {number}, {mutation.__name__}")
        # A file whose first header is gone is no bundle at all: a bad input.
        is_bundle = data[257:262] == b"ustar" or data.startswith(oci.BLOBS.encode())
        expected = 10 if is_bundle else InputError.exit_code
        assert caught.value.exit_code == expected, (number, mutation.__name__)
        refused[mutation.__name__] += 1
    assert refused.total() == COUNT
    assert {p.name for p in tmp_path.rglob("*")} == {"in", "bundle.tar", "thief", "release.key",
                                                     "release.pub"}  # fmt: skip
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{COUNT} changed bundles refused: {dict(refused)}; peak {peak_kib >> 10} MiB")
    if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker's peak is that of other tests too
        assert peak_kib < MOST_KIB
