"""Patches between layers, applied by the shell that servers run."""

from __future__ import annotations

import itertools
import random
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patch_world import applied, code, layer, patch

from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.patch.book import PatchBook
from smartcity_pkg.bundle.patch.difference import difference
from smartcity_pkg.bundle.patch.encode import TooLargeError
from smartcity_pkg.bundle.patch.matching import COPY_BYTES, Copy, recipe
from smartcity_pkg.bundle.patch.tarmap import Entry
from smartcity_pkg.core import digest
from smartcity_pkg.hosts.patchform import ADD

MIB = 1 << 20


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def edited(data: bytes, every: int) -> bytes:
    changed = bytearray(data)
    for at in range(every // 2, len(data), every):
        changed[at] ^= 1
    return bytes(changed)


APP = {f"app/file{n:04d}.py": noise(2000 + n, n) for n in range(300)}
LIBRARY = noise(9 * MIB, 77)


@pytest.mark.parametrize(
    ("old", "new", "most_bytes"),
    [
        pytest.param(layer(APP, 1), layer(APP, 2), 4_000, id="only times changed"),
        pytest.param(
            layer(APP, 1), layer({**APP, "app/file0007.py": b"new"}, 2), 4_000, id="a file changed"
        ),
        pytest.param(
            layer({"lib.so": LIBRARY}), layer({"lib.so": edited(LIBRARY, 64 << 10)}), 9_000,
            id="a large file edited",
        ),
        pytest.param(
            layer({"lib.so.3.0.17": LIBRARY}), layer({"lib.so.3.0.22": edited(LIBRARY, 1 << 20)}),
            4_000, id="a file with another version in its name",
        ),
        pytest.param(
            layer({"a": LIBRARY, **APP}), layer({**APP, "moved/b": LIBRARY}, 5), 4_000, id="moved"
        ),
        pytest.param(
            layer({"lib.so": LIBRARY}), layer({"lib.so": noise(MIB, 5) + LIBRARY}), 1_200_000,
            id="shifted by less than is looked around",
        ),
        pytest.param(layer(APP, 1), layer({}), 1_000, id="everything removed"),
        pytest.param(layer({}), layer({"a": bytes(100_000)}), 1_000, id="nothing to begin with"),
        pytest.param(
            layer(APP, 1, tarfile.GNU_FORMAT),
            layer({**APP, "x" * 150: LIBRARY[:MIB], "n" * 120: b""}, 2, tarfile.GNU_FORMAT),
            1_100_000, id="GNU's long names",
        ),
        pytest.param(
            layer(APP, 1), layer({**APP, "nama/é" + "x" * 150: b"isi"}, 2), 4_000, id="pax headers"
        ),
    ],
)  # fmt: skip
def test_a_patch_is_small_and_makes_the_new_layer(
    old: bytes, new: bytes, most_bytes: int, tmp_path: Path
) -> None:
    for perl in (False, True):
        folder = tmp_path / str(perl)
        folder.mkdir()
        made = patch(old, new, folder, perl=perl)
        assert len(made) < most_bytes
        assert applied(old, made, folder) == new


def test_moved_code_takes_less_where_the_server_has_perl(tmp_path: Path) -> None:
    """Every address has moved: sums say that in a third of what new bytes take."""
    start = code(30_000)
    old = layer({"lib.so": start, "b.so": code(9_000, seed=4)})
    new = layer({"lib.so": code(30_000, moved=0x51), "b.so": code(9_000, moved=7, seed=4)}, 9)
    sizes = []
    for perl in (False, True):
        folder = tmp_path / str(perl)
        folder.mkdir()
        made = patch(old, new, folder, perl=perl)
        sizes.append(len(made))
        assert applied(old, made, folder) == new
    assert sizes[1] < sizes[0] / 3


@settings(max_examples=60)
@given(
    old=st.lists(st.integers(0, 40), max_size=30),
    new=st.lists(st.integers(0, 40), max_size=30),
    add=st.integers(0, 255),
)
def test_any_bytes_are_a_difference_from_any_other(
    old: list[int], new: list[int], add: int
) -> None:
    """Blocks in any order, each changed a little; opened by Perl as a server does it."""
    before = b"".join(noise(700 + n, n) for n in old)
    after = bytearray(b"".join(noise(700 + n, n) for n in new))
    for at in range(0, len(after), 97):
        after[at] = (after[at] + add) % 256
    if (made := difference(before, bytes(after))) is None:
        assert not before
        return
    with tempfile.NamedTemporaryFile() as dictionary:
        dictionary.write(before)
        dictionary.flush()
        argv = ("perl", "-e", ADD, dictionary.name)
        out = subprocess.run(argv, input=made, stdout=subprocess.PIPE, check=True).stdout
    assert out == after


def test_no_difference_is_looked_for_where_that_would_take_minutes() -> None:
    zeros = bytes(MIB)
    assert difference(zeros + b"a", zeros + b"b") is None
    assert difference(noise(9 * MIB), noise(MIB)) is None
    assert difference(noise(MIB, 2) + zeros, noise(MIB)) is not None


FILES = st.dictionaries(
    st.sampled_from(["a", "b/c", "b/lib.so.1", "b/lib.so.2", "d" * 130]),
    st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 511, 513, COPY_BYTES, 3 * COPY_BYTES])),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    old=FILES, new=FILES, times=st.tuples(st.integers(0, 2), st.integers(0, 2)), perl=st.booleans()
)
def test_any_layer_is_made_of_any_other(
    old: dict[str, tuple[int, int]],
    new: dict[str, tuple[int, int]],
    times: tuple[int, int],
    perl: bool,
) -> None:
    made = [
        layer({name: noise(size, seed) for name, (seed, size) in files.items()}, time)
        for files, time in zip((old, new), times, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        assert applied(made[0], patch(*made, Path(folder), perl=perl), Path(folder)) == made[1]


def test_the_same_layers_give_the_same_patch(tmp_path: Path) -> None:
    old, new = layer({"a": LIBRARY, **APP}, 1), layer({"a": edited(LIBRARY, 900), **APP}, 2)
    for perl in (False, True):
        assert len({patch(old, new, tmp_path, perl=perl) for _ in range(2)}) == 1


def test_what_is_equal_and_long_is_copied_and_not_compressed() -> None:
    old = (Entry("a", 0, 512, 512 + COPY_BYTES, b"1"),)
    new = (Entry("b", 0, 1024, 1024 + COPY_BYTES, b"1"),)
    made = recipe(old, new, lambda _mine, _its: False)
    assert Copy(512, COPY_BYTES) in made.assembly
    assert [segment.new for segment in made.segments] == [((0, 1024),)]


def test_a_dictionary_that_looks_trained_is_not_used(tmp_path: Path) -> None:
    """A large file's part alone is the dictionary; zstd would refuse one that begins like this."""
    old = b"\x37\xa4\x30\xec" + LIBRARY
    before, after = layer({"zdict": old}), layer({"zdict": edited(old, 64 << 10)})
    assert applied(before, patch(before, after, tmp_path), tmp_path) == after


def test_care_makes_a_patch_smaller(tmp_path: Path) -> None:
    old, new = layer(APP, 1), layer(APP, 2)
    assert len(patch(old, new, tmp_path)) < len(patch(old, new, tmp_path, care_bytes=0))


def test_a_patch_larger_than_it_is_worth_is_given_up(tmp_path: Path) -> None:
    old, new = layer({"a": noise(MIB, 1)}), layer({"a": noise(MIB, 2)})
    for limit in (1_000, MIB):
        with pytest.raises(TooLargeError):
            patch(old, new, tmp_path, limit)


def test_a_spoiled_patch_never_gives_the_layer(tmp_path: Path) -> None:
    old, new = layer(APP, 1), layer(APP, 2)
    made = patch(old, new, tmp_path)
    for number, at in enumerate(range(0, len(made), max(1, len(made) // 40))):
        folder = tmp_path / str(number)
        folder.mkdir()
        spoiled = made[:at] + bytes([made[at] ^ 0x55]) + made[at + 1 :]
        try:
            assert applied(old, spoiled, folder) != new
        except Exception as error:  # noqa: BLE001 - the shell may refuse as well
            assert "returned non-zero" in str(error)


class TestBook:
    """Layers in a cache of packed layers, and the patches between them."""

    OLD, NEW = layer(APP, 1), layer({**APP, "app/new.py": b"x"}, 2)
    OTHER = layer({"other": noise(100_000, 9)})

    def book(self, root: Path, *layers: bytes) -> PatchBook:
        cache = LayerCache(root)
        for raw in layers:
            cache.add([raw], lambda _diff_id: True)
        return PatchBook(root)

    def test_the_base_is_what_is_most_alike(self, tmp_path: Path) -> None:
        book = self.book(tmp_path, self.OLD, self.NEW, self.OTHER)
        old, new, other = map(digest.of_bytes, (self.OLD, self.NEW, self.OTHER))
        assert book.base_for(new, {old, other, "sha256:" + "0" * 64}) == old
        assert book.base_for(new, {other}) is None
        assert book.base_for("sha256:" + "1" * 64, {old}) is None

    def test_a_base_at_hand_is_taken_before_one_that_is_hardly_better(self, tmp_path: Path) -> None:
        almost = layer({**APP, "app/file0001.py": b"older"}, 1)
        book = self.book(tmp_path, self.OLD, self.NEW, almost, self.OTHER)
        old, new, near, other = map(digest.of_bytes, (self.OLD, self.NEW, almost, self.OTHER))
        assert book.base_for(new, {old, near}) == old
        assert book.base_for(new, {old, near}, {near}) == near
        assert book.base_for(new, {old, other}, {other}) == old

    def test_the_base_does_not_depend_on_patches_made_before(self, tmp_path: Path) -> None:
        near = layer({**APP, "app/new.py": b"y"}, 2)
        book = self.book(tmp_path, self.OLD, self.NEW, near)
        old, new, best = map(digest.of_bytes, (self.OLD, self.NEW, near))
        assert book.make(old, new, 1 << 30)
        assert PatchBook(tmp_path).base_for(new, {old, best}) == best

    def test_a_patch_is_made_once(self, tmp_path: Path) -> None:
        book = self.book(tmp_path, self.OLD, self.NEW)
        old, new = map(digest.of_bytes, (self.OLD, self.NEW))
        assert book.known(old, new) is None
        made = book.make(old, new, 1 << 30)
        assert made is not None
        again = PatchBook(tmp_path)
        assert again.known(old, new) == made
        stream = again.open(made.blob.digest)
        assert stream is not None
        with stream:
            data = stream.read()
        assert applied(self.OLD, data, tmp_path) == self.NEW

    def test_servers_with_and_without_perl_get_patches_of_their_own(self, tmp_path: Path) -> None:
        old, new = layer({"lib.so": code(20_000)}), layer({"lib.so": code(20_000, moved=9)})
        book = self.book(tmp_path, old, new)
        pair = digest.of_bytes(old), digest.of_bytes(new)
        with_perl = book.make(*pair, 1 << 30, perl=True)
        assert with_perl is not None
        assert book.known(*pair) is None
        without = book.make(*pair, 1 << 30)
        assert without is not None
        assert with_perl.blob.size_bytes < without.blob.size_bytes
        again = PatchBook(tmp_path)
        assert [again.known(*pair, perl=p) for p in (False, True)] == [without, with_perl]

    def test_a_damaged_patch_is_made_again(self, tmp_path: Path) -> None:
        book = self.book(tmp_path, self.OLD, self.NEW)
        old, new = map(digest.of_bytes, (self.OLD, self.NEW))
        made = book.make(old, new, 1 << 30)
        (path,) = (p for p in tmp_path.glob("patches-*/*"))
        path.write_bytes(b"spoiled")
        again = PatchBook(tmp_path)
        assert again.known(old, new) is None
        assert again.make(old, new, 1 << 30) == made

    def test_what_is_no_tar_has_no_patch(self, tmp_path: Path) -> None:
        raw = noise(100_000)
        book = self.book(tmp_path, raw, self.OLD)
        assert book.base_for(digest.of_bytes(raw), {digest.of_bytes(self.OLD)}) is None

    def test_documents_are_kept_by_digest(self, tmp_path: Path) -> None:
        book = self.book(tmp_path)
        book.documents.add([b"isi"])
        assert book.documents.get(digest.of_bytes(b"isi")) == b"isi"
        (path,) = (tmp_path / "documents").iterdir()
        path.write_bytes(b"lain")
        assert book.documents.get(digest.of_bytes(b"isi")) is None


def test_memory_does_not_grow_with_the_layer(tmp_path: Path) -> None:
    """On the server: `applied` may use 128 MB, and the layer has more."""
    files = {f"lib{n}.so": noise(12 * MIB, n) for n in range(12)}
    changed = {name: edited(data, 300_000) for name, data in files.items()}
    old = layer({**files, "code.so": code(200_000)}, 1)
    new = layer({**changed, "code.so": code(200_000, moved=5)}, 2)
    made = patch(old, new, tmp_path, care_bytes=8 * MIB, perl=True)
    assert len(made) < 400_000
    assert applied(old, made, tmp_path) == new


def test_every_kind_of_entry_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "layer.tar"
    with tarfile.open(path, "w") as archive:
        for kind, size in itertools.product(
            (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.REGTYPE), (0,)
        ):
            member = tarfile.TarInfo(f"entry{kind!r}")
            member.type, member.size, member.linkname = kind, size, "x"
            archive.addfile(member)
    raw = path.read_bytes()
    new = layer(APP)
    assert applied(raw, patch(raw, new, tmp_path), tmp_path) == new
