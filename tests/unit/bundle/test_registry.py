"""Bundles in a real registry: the same bytes come back, only what is missing moves, or nothing."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from bundle_world import Keys, layer, make_keys, packed, write_layout
from private_registry import (
    PASSWORD,
    USER,
    BreakingWire,
    PrivateRegistry,
    certificate,
    need_registry,
    private_registry,
    remembering_registry,
    token_server,
)

from smartcity_pkg.bundle.layout import open_bundle
from smartcity_pkg.bundle.registry.address import Transport, parse_address
from smartcity_pkg.bundle.registry.client import Repository, Retry
from smartcity_pkg.bundle.registry.credentials import Credentials, find_credentials
from smartcity_pkg.bundle.registry.known import KnownBlobs
from smartcity_pkg.bundle.registry.pull import Pulled, pull
from smartcity_pkg.bundle.registry.push import Pushed, push
from smartcity_pkg.bundle.registry.transfers import CHUNK_BYTES, upload
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.bundle.trust import TrustedKeys
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import (
    InputError,
    LoginError,
    RegistryError,
    SmartCityError,
    UnreachableError,
    UntrustedBundleError,
    UsageError,
)
from smartcity_pkg.core.progress import Event, Note, Transfer, no_progress
from smartcity_pkg.ship.pace import Pace, parse_window

MIDNIGHT = datetime(2026, 3, 1)
ROOT = Path(__file__).parents[3]
QUICK = Retry(pause_s=0.01, longest_s=0.05)
US = Credentials(USER, PASSWORD)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    need_registry()
    with private_registry(tmp_path_factory.mktemp("registry")) as made:
        yield made


@pytest.fixture(scope="module")
def large(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a layer of several chunks."""
    folder = tmp_path_factory.mktemp("large")
    noise = os.urandom(CHUNK_BYTES * 3 + 12_345)
    images = {"smartcity/besar:1": [layer({"noise": noise}), layer({"a": b"b"})]}
    source = layout_source(write_layout(folder / "source", images))
    packed(source, list(images), keys, folder / "large.tar", cache=folder / "cache")
    return folder / "large.tar"


def repository(place: str, *, writes: bool = True, **more: object) -> Repository:
    options: dict[str, object] = {"transport": Transport(), "credentials": None, "retry": QUICK}
    return Repository(parse_address(place), writes=writes, **(options | more))  # type: ignore[arg-type]


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def pace(self, rate_bytes_s: float = 0, window: str | None = None) -> Pace:
        return Pace(
            rate_bytes_s,
            parse_window(window) if window else None,
            clock=lambda: self.seconds,
            now=lambda: MIDNIGHT + timedelta(seconds=self.seconds),
            wait=self.wait,
        )

    def wait(self, seconds: float) -> bool:
        self.seconds += seconds
        return False


def pushed(place: str, bundle: Path, keys: Keys, **more: object) -> Pushed:
    return push(bundle, repository(place, **more), keys.trusted)


def pulled(place: str, output: Path, keys: Keys, **more: object) -> Pulled:
    there = repository(place, writes=False, **more)
    return pull(there, keys.trusted, output, output.parent)


def bytes_of(bundle: Path) -> dict[str, bytes]:
    """Every file of a bundle directory."""
    return {str(p.relative_to(bundle)): p.read_bytes() for p in bundle.rglob("*") if p.is_file()}


# -- there and back ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["directory", "tar"])
def test_what_was_pushed_is_pulled_to_the_byte(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path, form: str
) -> None:
    place = f"{registry.host}/kominfo/karawang-{form}"
    done = pushed(f"{place}:v1", bundles[form], keys)
    assert done.tags == ("v1",)
    back = pulled(f"{place}:v1", tmp_path / "back", keys)
    assert bytes_of(tmp_path / "back") == bytes_of(bundles["directory"])
    pulled(f"{place}@{done.contents.root_digest}", tmp_path / "back.tar", keys)
    assert (tmp_path / "back.tar").read_bytes() == bundles["tar"].read_bytes()
    assert back.contents == done.contents
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back", "back.tar"]


def test_without_a_tag_the_release_and_latest_are_tagged(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    place = f"{registry.host}/kominfo/tags"
    done = pushed(place, bundles["tar"], keys)
    assert done.tags == (done.contents.release.name, "latest")
    for number, tag in enumerate(("", f":{done.contents.release.name}")):
        pulled(f"{place}{tag}", tmp_path / f"{number}.tar", keys)


def test_pushing_again_sends_no_blob(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys
) -> None:
    place = f"{registry.host}/kominfo/again"
    first = pushed(place, bundles["tar"], keys)
    assert first.sent_blobs > 0 and first.present_blobs == 0
    before = registry.requests("POST", "/again/")
    second = pushed(place, bundles["tar"], keys)
    assert (second.sent_blobs, second.sent_bytes) == (0, 0)
    assert second.present_blobs == first.sent_blobs
    assert registry.requests("POST", "/again/") == before


def test_blobs_pushed_elsewhere_are_mounted_not_sent(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    for name, sent in (("satu", True), ("dua", False)):
        known = KnownBlobs(tmp_path, registry.host)
        done = push(
            bundles["tar"], repository(f"{registry.host}/mount/{name}"), keys.trusted, known
        )
        assert (done.sent_blobs > 0) is sent
        assert (done.mounted_blobs > 0) is not sent
    pulled(f"{registry.host}/mount/dua", tmp_path / "dua.tar", keys)


def test_a_wrong_hint_of_where_a_blob_is_does_no_harm(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    known = KnownBlobs(tmp_path, registry.host)
    with open_bundle(bundles["tar"]) as bundle:
        known.remember(bundle.blobs, "not/there")
    done = push(bundles["tar"], repository(f"{registry.host}/hint/a"), keys.trusted, known)
    assert done.sent_blobs > 0 and done.mounted_blobs == 0


def test_layers_of_a_bundle_beside_it_are_not_pulled_again(
    registry: PrivateRegistry, large: Path, keys: Keys, tmp_path: Path
) -> None:
    place = f"{registry.host}/kominfo/beside"
    pushed(place, large, keys)
    first = pulled(place, tmp_path / "one.tar", keys)
    second = pulled(place, tmp_path / "two.tar", keys)
    assert first.reused_bytes == 0
    assert first.received_bytes > CHUNK_BYTES
    assert second.received_bytes < 100_000
    assert (tmp_path / "two.tar").read_bytes() == large.read_bytes()


def test_a_damaged_bundle_beside_it_is_not_believed(
    registry: PrivateRegistry, large: Path, keys: Keys, tmp_path: Path
) -> None:
    place = f"{registry.host}/kominfo/beside"
    pushed(place, large, keys)
    data = bytearray(large.read_bytes())
    data[CHUNK_BYTES] ^= 1
    (tmp_path / "old.tar").write_bytes(data)
    done = pulled(place, tmp_path / "new.tar", keys)
    assert done.received_bytes > CHUNK_BYTES
    assert (tmp_path / "new.tar").read_bytes() == large.read_bytes()


def test_a_push_keeps_to_its_limit(
    registry: PrivateRegistry, large: Path, keys: Keys, tmp_path: Path
) -> None:
    place, clock = f"{registry.host}/kominfo/pelan", Clock()
    done = pushed(place, large, keys, pace=clock.pace(1_000_000))
    assert done.sent_bytes > 20_000_000
    assert done.sent_bytes / 1e6 < clock.seconds < done.sent_bytes / 1e6 + 1
    pulled(place, tmp_path / "back.tar", keys)
    assert (tmp_path / "back.tar").read_bytes() == large.read_bytes()


def test_a_push_waits_for_its_window_and_says_so_once(
    registry: PrivateRegistry, large: Path, keys: Keys
) -> None:
    clock, said = Clock(), list[Event]()
    pace = clock.pace(window="22:01-23:00")
    there = repository(f"{registry.host}/kominfo/malam", pace=pace)
    push(large, there, keys.trusted, progress=said.append)
    notes = [event.text for event in said if isinstance(event, Note)]
    assert len(notes) == 1
    assert registry.host in notes[0] and "22:01" in notes[0]
    assert 22 * 3600 < clock.seconds < 23 * 3600


def test_progress_reaches_its_total(
    registry: PrivateRegistry, large: Path, keys: Keys, tmp_path: Path
) -> None:
    events: list[Event] = []
    place = f"{registry.host}/kominfo/progress"
    push(large, repository(place), keys.trusted, None, events.append)
    pull(repository(place), keys.trusted, tmp_path / "a.tar", tmp_path, events.append)
    for task in ("push", "pull"):
        last = [e for e in events if isinstance(e, Transfer) and e.task == task][-1]
        assert last.done == last.total > CHUNK_BYTES


# -- who may be believed ----------------------------------------------------------------------


def test_a_bundle_of_an_unknown_key_is_refused_and_leaves_nothing(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    place = f"{registry.host}/kominfo/foreign"
    pushed(place, bundles["tar"], keys)
    (tmp_path / "keys").mkdir()
    stranger = make_keys(tmp_path / "keys", "stranger")
    layers = registry.requests("GET", "/foreign/blobs/")
    (tmp_path / "out").mkdir()
    for output in ("a.tar", "b"):
        with pytest.raises(UntrustedBundleError):
            pulled(place, tmp_path / "out" / output, stranger)
    assert list((tmp_path / "out").iterdir()) == []
    # Two signature blobs each time: what an unknown key signed is not even fetched.
    assert registry.requests("GET", "/foreign/blobs/") == layers + 4


def test_an_unsigned_bundle_is_refused(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    there = repository(f"{registry.host}/kominfo/unsigned")
    pushed(f"{registry.host}/kominfo/unsigned", bundles["tar"], keys)
    tag = next((registry.folder / "data").rglob("unsigned/_manifests/tags/*.sig"))
    subprocess.run(["rm", "-r", str(tag)], check=True)
    with pytest.raises(UntrustedBundleError):
        pull(there, keys.trusted, tmp_path / "x.tar", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_registry_that_changes_a_byte_is_found_out(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    done = pushed(f"{registry.host}/kominfo/lies", bundles["tar"], keys)
    for packed_layer in list(done.contents.layers.values())[:2]:
        path = registry.blob(packed_layer.blob.digest)
        right = path.read_bytes()
        path.write_bytes(right[:-1] + bytes((right[-1] ^ 1,)))
        try:
            with pytest.raises(UntrustedBundleError):
                pulled(f"{registry.host}/kominfo/lies", tmp_path / "x.tar", keys)
        finally:
            path.write_bytes(right)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_bundle_is_never_pushed(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    data = bytearray(bundles["tar"].read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.tar").write_bytes(data)
    with pytest.raises(UntrustedBundleError):
        pushed(f"{registry.host}/kominfo/bad", tmp_path / "bad.tar", keys)
    assert registry.requests("POST", "/kominfo/bad/") == 0


def test_what_is_no_bundle_is_said(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    done = pushed(f"{registry.host}/kominfo/parts", bundles["tar"], keys)
    with open_bundle(bundles["tar"]) as bundle:
        root = json.loads(bundle.read(done.contents.root_digest))
    image = root["manifests"][0]["digest"]
    with pytest.raises(RegistryError, match="no bundle"):
        pulled(f"{registry.host}/kominfo/parts@{image}", tmp_path / "x.tar", keys)
    with pytest.raises(RegistryError, match="there is no"):
        pulled(f"{registry.host}/kominfo/parts:none", tmp_path / "x.tar", keys)


# -- links and registries that fail -----------------------------------------------------------


def test_an_upload_survives_cuts(
    registry: PrivateRegistry, large: Path, keys: Keys, tmp_path: Path
) -> None:
    cuts = [3 * CHUNK_BYTES // 2, CHUNK_BYTES // 2, CHUNK_BYTES]
    with BreakingWire(registry.port, cuts) as wire:
        done = pushed(f"{wire.host}/wire/up", large, keys)
        assert wire.cuts == []
    assert done.sent_blobs > 0
    pulled(f"{registry.host}/wire/up", tmp_path / "x.tar", keys)
    assert (tmp_path / "x.tar").read_bytes() == large.read_bytes()


def test_an_upload_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    """docker-registry 2.8 forgets an upload that was cut in a chunk; the specification does not."""
    data = os.urandom(CHUNK_BYTES * 3 + 5)
    (tmp_path / "blob").write_bytes(data)
    counted: list[int] = []
    cuts = [CHUNK_BYTES // 2, CHUNK_BYTES, CHUNK_BYTES * 3 // 4]
    with remembering_registry() as (port, stored), BreakingWire(port, cuts) as wire:
        there = repository(f"{wire.host}/a/b")
        of = digest.of_bytes(data)
        assert upload(there, of, lambda: (tmp_path / "blob").open("rb"), counted.append)
        assert wire.cuts == []
        assert wire.total < len(data) + (1 << 20)
    assert stored[of] == data
    assert sum(counted) == len(data)


def test_a_download_goes_on_where_it_was_cut(
    registry: PrivateRegistry, large: Path, keys: Keys, tmp_path: Path
) -> None:
    pushed(f"{registry.host}/wire/down", large, keys)
    with BreakingWire(registry.port, [CHUNK_BYTES] * 3) as wire:
        done = pulled(f"{wire.host}/wire/down", tmp_path / "x.tar", keys)
        assert wire.cuts == []
    assert (tmp_path / "x.tar").read_bytes() == large.read_bytes()
    assert done.received_bytes < large.stat().st_size * 1.1


def test_a_registry_that_restarts_is_waited_for(
    registry: PrivateRegistry, large: Path, keys: Keys
) -> None:
    restarted = []

    def restart(event: Event) -> None:
        if not restarted and isinstance(event, Transfer) and event.task == "push":
            restarted.append(event.done)
            registry.stop()
            registry.start()

    there = repository(f"{registry.host}/kominfo/restart", retry=Retry(pause_s=0.1))
    done = push(large, there, keys.trusted, None, restart)
    assert restarted and done.sent_blobs > 0


def test_no_registry_there_is_said_with_its_cure(
    bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    for work in (
        lambda: pushed("127.0.0.1:9/a", bundles["tar"], keys),
        lambda: pulled("127.0.0.1:9/a", tmp_path / "x.tar", keys),
    ):
        with pytest.raises(UnreachableError) as caught:
            work()
        assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


# -- logging in -------------------------------------------------------------------------------


def test_a_password_opens_and_never_shows(
    bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    need_registry()
    with private_registry(tmp_path / "registry", password=True) as closed:
        place = f"{closed.host}/kominfo/closed"
        pushed(place, bundles["tar"], keys, credentials=US)
        pulled(place, tmp_path / "x.tar", keys, credentials=US)
        for wrong in (None, Credentials(USER, "salah-besar")):
            with pytest.raises(LoginError) as caught:
                pulled(place, tmp_path / "y.tar", keys, credentials=wrong)
            assert "docker login" in caught.value.hint
            assert "salah-besar" not in f"{caught.value} {wrong!r}"
    assert PASSWORD not in f"{US} {US!r}"


def test_tokens_are_fetched_with_what_is_needed_and_renewed(
    bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    need_registry()
    with (
        token_server(tmp_path / "tokens") as tokens,
        private_registry(tmp_path / "registry", tokens=tokens) as guarded,
    ):
        place = f"{guarded.host}/kominfo/tokens"
        pushed(place, bundles["tar"], keys, credentials=US)
        assert tokens.scopes == [["repository:kominfo/tokens:pull,push"]]
        pulled(place, tmp_path / "x.tar", keys)  # anyone may pull
        assert tokens.scopes[1:] == [["repository:kominfo/tokens:pull"]]
        with pytest.raises(LoginError):
            pushed(f"{guarded.host}/kominfo/other", bundles["tar"], keys)
        with pytest.raises(LoginError):
            pushed(place, bundles["tar"], keys, credentials=Credentials(USER, "salah"))
        there = repository(place, credentials=US)
        tokens.lifetime_s = -61  # beyond the leeway of a minute that the registry allows
        with pytest.raises(LoginError):
            push(bundles["tar"], there, keys.trusted)
        tokens.lifetime_s = 300
        push(bundles["tar"], there, keys.trusted)


def test_tls_needs_an_authority_that_is_trusted(
    bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    need_registry()
    pair = certificate(tmp_path)
    with private_registry(tmp_path / "registry", tls=pair) as safe:
        place = f"{safe.host}/kominfo/tls"
        pushed(place, bundles["tar"], keys, transport=Transport(ca_file=pair[0]))
        pulled(place, tmp_path / "x.tar", keys, transport=Transport(ca_file=pair[0]))
        (tmp_path / "other").mkdir()
        other = certificate(tmp_path / "other")[0]
        with pytest.raises(RegistryError, match="cannot prove") as caught:
            pulled(place, tmp_path / "y.tar", keys, transport=Transport(ca_file=other))
        assert "--ca" in caught.value.hint
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(UsageError):
        repository(place, transport=Transport(ca_file=tmp_path / "empty.pem"))


def test_only_this_machine_is_spoken_to_without_tls() -> None:
    plain = {"localhost/a", "127.0.0.1:5000/a", "[::1]:5000/a"}
    for text in (*plain, "registry.go.id/a", "10.0.0.1:5000/a"):
        address = parse_address(text)
        assert Transport().scheme(address) == ("http" if text in plain else "https")
        assert Transport(plain_http=True).scheme(address) == "http"


def test_credentials_come_from_the_environment_then_from_docker(tmp_path: Path) -> None:
    auth = base64.b64encode(b"dari-docker:kata:sandi").decode()
    config = {"auths": {"registry.go.id": {"auth": auth}, "https://old.go.id/v1/": {"auth": auth}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    where = {"DOCKER_CONFIG": str(tmp_path)}
    expected = Credentials("dari-docker", "kata:sandi")
    assert find_credentials("registry.go.id", where) == expected
    assert find_credentials("old.go.id", where) == expected
    assert find_credentials("other.go.id", where) is None
    mine = {"SMARTCITY_REGISTRY_USER": "a", "SMARTCITY_REGISTRY_PASSWORD": "b"}
    assert find_credentials("registry.go.id", where | mine) == Credentials("a", "b")
    with pytest.raises(UsageError):
        find_credentials("registry.go.id", {"SMARTCITY_REGISTRY_USER": "a"})


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"auths": []}', '{"auths": {"r.id": {"auth": "!rahasia"}}}',
     '{"auths": {"r.id": {"auth": "cmFoYXNpYQ=="}}}', '{"auths": {"r.id": "rahasia"}}'],
)  # fmt: skip
def test_a_damaged_list_of_credentials_is_said_without_its_content(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError) as caught:
        find_credentials("r.id", {"DOCKER_CONFIG": str(tmp_path)})
    assert "rahasia" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    ["", "nginx", "kominfo/karawang", "registry.go.id", "registry.go.id/", "registry.go.id/A",
     "registry.go.id/a:", "registry.go.id/a:b:c", "registry.go.id/a@sha256:12", "r.id/a@b",
     "https://r.id/a", "r.id/../a", "r.id//a", "r.id/a b", "r.id:/a", "r.id/a:-x",
     "r.id/" + "a" * 256],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_address(text)


def test_an_address_reads_back_as_it_was_written() -> None:
    of = digest.of_bytes(b"")
    for text in ("r.id/a", "r.id:5000/a/b-c:1.0_x", f"localhost/a@{of}"):
        assert str(parse_address(text)) == text


# -- Ctrl-C -----------------------------------------------------------------------------------

_PULL = """
import sys
from pathlib import Path
from smartcity_pkg.bundle.keys import load_trusted
from smartcity_pkg.bundle.registry.address import Transport, parse_address
from smartcity_pkg.bundle.registry.client import Repository
from smartcity_pkg.bundle.registry.pull import pull
from smartcity_pkg.core.progress import Transfer
place, key, out = sys.argv[1:]
def tell(event):
    if isinstance(event, Transfer) and event.done:
        print("moving", flush=True)
repository = Repository(parse_address(place), Transport(), None)
pull(repository, load_trusted([Path(key)]), Path(out), Path(out).parent, tell)
"""


class _Slow(BreakingWire):
    """A wire on which nothing is fast."""

    def spend(self, size: int) -> bool:
        time.sleep(size / 4e6)
        return False


def test_ctrl_c_ends_a_pull_soon_and_leaves_nothing(
    registry: PrivateRegistry, large: Path, keys: Keys, tmp_path: Path
) -> None:
    pushed(f"{registry.host}/kominfo/stop", large, keys)
    (tmp_path / "release.pub").write_bytes(next(iter(keys.trusted.pem_by_id.values())))
    (tmp_path / "out").mkdir()
    with _Slow(registry.port, []) as wire:
        process = subprocess.Popen(
            [sys.executable, "-c", _PULL, f"{wire.host}/kominfo/stop",
             str(tmp_path / "release.pub"), str(tmp_path / "out/x.tar")],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"moving\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) != 0
        assert time.monotonic() - began < 5
        process.stdout.close()
    assert list((tmp_path / "out").iterdir()) == []


def test_a_hostile_size_ends_before_the_disk_is_full(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    done = pushed(f"{registry.host}/kominfo/bomb", bundles["tar"], keys)
    path = registry.blob(next(iter(done.contents.layers.values())).blob.digest)
    right = path.read_bytes()
    path.write_bytes(right + bytes(50 << 20))
    try:
        with pytest.raises(SmartCityError):
            pulled(f"{registry.host}/kominfo/bomb", tmp_path / "x.tar", keys)
    finally:
        path.write_bytes(right)
    assert list(tmp_path.iterdir()) == []


def test_unused_trust_is_not_asked_of_the_registry(
    registry: PrivateRegistry, bundles: dict[str, Path], keys: Keys, tmp_path: Path
) -> None:
    pushed(f"{registry.host}/kominfo/nobody", bundles["tar"], keys)
    there = repository(f"{registry.host}/kominfo/nobody", writes=False)
    with pytest.raises(UntrustedBundleError):
        pull(there, TrustedKeys(), tmp_path / "x.tar", tmp_path, no_progress)
