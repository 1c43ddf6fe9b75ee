"""The region table: complete, and found as people look for it."""

from __future__ import annotations

from importlib import resources

import pytest

from smartcity_pkg.catalogue.regions import all_regions, find_regions, provinces, region


def test_the_table_holds_every_province_kabupaten_and_kota() -> None:
    assert len(provinces()) == 38
    assert len(all_regions()) == 514
    kinds = [r.name.split()[0] for r in all_regions()]
    assert (kinds.count("Kabupaten"), kinds.count("Kota")) == (416, 98)
    assert {r.code[:2] for r in all_regions()} == set(provinces())


@pytest.mark.parametrize(
    ("code", "name", "province"),
    [
        ("32.15", "Kabupaten Karawang", "Jawa Barat"),
        ("32.16", "Kabupaten Bekasi", "Jawa Barat"),
        ("32.75", "Kota Bekasi", "Jawa Barat"),
        ("36.71", "Kota Tangerang", "Banten"),
        ("21.05", "Kabupaten Kepulauan Anambas", "Kepulauan Riau"),
        ("11.01", "Kabupaten Aceh Selatan", "Aceh"),
        ("96.71", "Kota Sorong", "Papua Barat Daya"),
    ],
)
def test_codes_are_those_of_kemendagri(code: str, name: str, province: str) -> None:
    found = region(code)
    assert found is not None
    assert (found.name, found.province) == (name, province)


@pytest.mark.parametrize("code", ["32", "32.99", "", "32.15.01"])
def test_other_codes_are_no_region(code: str) -> None:
    assert region(code) is None


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("karawang", ["32.15"]),
        ("Kab. Bekasi", ["32.16"]),
        ("BEKASI", ["32.16", "32.75"]),
        ("36.71", ["36.71"]),
        ("tidak ada", []),
        ("", []),
        (" . ", []),
    ],
)
def test_regions_are_found_by_code_or_words(text: str, codes: list[str]) -> None:
    assert [r.code for r in find_regions(text)] == codes


def test_the_licence_of_the_data_stands_beside_it() -> None:
    notice = resources.files("smartcity_pkg.catalogue") / "region_table" / "NOTICE"
    assert "MIT License" in notice.read_text(encoding="utf-8")
