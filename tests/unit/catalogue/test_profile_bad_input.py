"""A pemda's profile: every fault is refused with its line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogue_texts import COMPOSE, PROFILE, PROVIDER, Bad, only, table, write_catalogue

from smartcity_pkg.catalogue.catalogue import Catalogue, load_catalogue
from smartcity_pkg.catalogue.profile import load_pemda, profile_digest
from smartcity_pkg.core.errors import InputError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKoJ6Q0mM1Cz5nQ0nGdX0m1m0Yk5f8s2v3e6Zr7yJc1A"
HOST = "      host: satu.karawang.example"

ROWS = [
    Bad("region as a number", '"32.15"', "32.15", "“region” is a number", 'region: "32.15"'),
    Bad("region ending in 0", '"32.15"', "32.10", "(got: 32.10)", 'region: "32.10"'),
    Bad("region of a province", '"32.15"', '"32"', 'like "32.15" (got: 32)'),
    Bad("unknown region", '"32.15"', '"32.99"', "no kabupaten or kota", "has the code 32.15"),
    Bad(
        "another region's name",
        "name: Kabupaten Karawang",
        "name: Kabupaten Bekasi",
        "32.15 is Kabupaten Karawang (Jawa Barat), not “Kabupaten Bekasi”",
        "write: name: Kabupaten Karawang",
    ),
    Bad("kota for kabupaten", "Kabupaten Karawang", "Kota Karawang", "is Kabupaten Karawang"),
    Bad(
        "unknown field", "link_mbps: 10", "link_mbps: 10\nlink_mps: 5", "“link_mps”", at="link_mps"
    ),
    Bad("missing field", "link_mbps: 10\n", "", "“link_mbps” is missing", at="schema_version"),
    Bad("dots in thousands", "2439000", "2.439.000", "whole number", "without dots"),
    Bad("nobody lives there", "2439000", "0", "more than 0", at="population: 0"),
    Bad("population true", "2439000", "ya", "whole number (got: ya)"),
    Bad("server's size", "memory_gib: 4", "memory_gib: 4 GB", "expected a number (got: 4 GB)"),
    Bad("infinite server", "memory_gib: 4", "memory_gib: .inf", "expected a number"),
    Bad("absurd server", "memory_gib: 4", "memory_gib: 4000000", "at most 1048576"),
    Bad("server's name", "- name: satu", "- name: Server Satu", "like siap-kerja"),
    Bad(
        "all is reserved",
        "    cpus: 4",
        "    reserved: {cpus: 4}\n    cpus: 4",
        "of 4 cpus, 4 are reserved",
        "reserve less",
    ),
    Bad("host with a space", "satu.karawang.example", "satu karawang", "a machine, like"),
    Bad(
        "host like an option", "host: satu.karawang.example", "host: -oProxyCommand=x", "a machine"
    ),
    Bad("host key in words", HOST, f"{HOST}\n      host_key: ada", "not a host key", at="host_key"),
    Bad("host key cut", HOST, f"{HOST}\n      host_key: {KEY[:30]}", "not a host", at="host_key"),
    Bad(
        "host key of two types",
        HOST,
        f"{HOST}\n      host_key: {KEY.replace('ssh-ed25519', 'ssh-rsa')}",
        "not a host key",
        at="host_key",
    ),
    Bad("port", HOST, f"{HOST}\n      port: 70000", "at most 65535", at="port"),
    Bad("not a date", "2018-05-16", "16 Mei 2018", "expected a date: YYYY-MM-DD"),
    Bad("no such date", "2018-05-16", "2018-02-31", "expected a date: YYYY-MM-DD"),
    Bad("expires before it begins", "2029-12-31", "2024-12-31", "before its own date", at="pks:"),
    Bad("agreement of one app", "apps: [lapor]", "apps: lapor", "expected a list", "[lapor]"),
    Bad("agreement of a bad name", "apps: [lapor]", "apps: [Lapor]", "agreement.pks.apps.0"),
    Bad("must and exclude", "exclude: []", "exclude: [lapor]", "both in must and", at="choice:"),
    Bad("priority too high", "{lapor: 60}", "{lapor: 600}", "at most 100 (got: 600)"),
    Bad("timezone", "{domain: kar", "{timezone: Asia/Bekasi, domain: kar", "Asia/Jakarta"),
    Bad("domain", "karawang.example}", "https://karawang.example}", "settings.site.domain"),
    Bad("unknown app in must", "must: [lapor]", "must: [lapr]", "no app “lapr”", "“lapor”?"),
    Bad("unknown app in exclude", "exclude: []", "exclude: [peta]", "no app “peta”", "list"),
    Bad("unknown app in priorities", "{lapor: 60}", "{peta: 60}", "no app “peta”"),
    Bad("priority of a platform app", "{lapor: 60}", "{basis: 60}", "platform app", "take it out"),
    Bad("unknown app in agreement", "apps: [lapor]", "apps: [lapor, peta]", "no app “peta”"),
    Bad("unknown app in settings", "    lapor:\n", "    lapr:\n", "no app “lapr”", "“lapor”?"),
    Bad("setting out of range", "days: 14", "days: 99", "“days”: expected at most 30 (got: 99)"),
    Bad("setting of wrong type", "days: 14", "days: '14'", "expected a whole number"),
    Bad("setting in a list", "days: 14", "kinds: [jalan, '']", "“kinds.1”: expected at least 1"),
    Bad("setting text as number", "days: 14", "contact: 267", "text (in quotes"),
    Bad("unknown setting", "days: 14", "dayz: 14", "unknown setting “dayz”"),
    Bad(
        "settings of no use",
        "  apps:\n",
        "  apps:\n    basis: {a: 1}\n",
        "no settings",
        at="basis:",
    ),
]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("catalogue")
    return load_catalogue(write_catalogue(folder, COMPOSE, PROVIDER))


@table(ROWS)
def test_bad_profile_is_refused_with_line_and_cure(
    row: Bad, tmp_path: Path, catalogue: Catalogue
) -> None:
    spoilt = row.spoil(PROFILE)
    file = tmp_path / "pemda.yaml"
    file.write_text(spoilt)
    row.expect(spoilt, str(file), lambda: load_pemda(file, catalogue))


def test_every_bad_setting_is_told(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "pemda.yaml"
    file.write_text(PROFILE.replace("days: 14", "days: 99\n      contact: 5\n      x: 1"))
    with pytest.raises(InputError) as caught:
        load_pemda(file, catalogue)
    assert [p.line for p in caught.value.problems] == [29, 30, 31]


def test_without_a_catalogue_app_names_are_not_judged(tmp_path: Path) -> None:
    file = tmp_path / "pemda.yaml"
    file.write_text(PROFILE.replace("must: [lapor]", "must: [peta]"))
    assert load_pemda(file).choice.must == ("peta",)


@pytest.mark.parametrize("name", ["KABUPATEN KARAWANG", "kabupaten  karawang"])
def test_a_name_may_be_written_in_any_case(name: str, tmp_path: Path) -> None:
    file = tmp_path / "pemda.yaml"
    file.write_text(PROFILE.replace("Kabupaten Karawang", name))
    assert load_pemda(file).region == "32.15"


def test_a_pinned_host_key_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "pemda.yaml"
    file.write_text(PROFILE.replace(HOST, f"{HOST}\n      host_key: {KEY}"))
    ssh = load_pemda(file).servers[0].ssh
    assert ssh is not None
    assert ssh.host_key == KEY


def test_the_digest_ignores_comments_and_order(tmp_path: Path) -> None:
    file = tmp_path / "pemda.yaml"
    file.write_text(PROFILE)
    first = profile_digest(load_pemda(file))
    lines = PROFILE.replace("link_mbps: 10\n", "")
    file.write_text(f"# a comment\nlink_mbps: 10.0\n{lines}")
    assert profile_digest(load_pemda(file)) == first
    file.write_text(PROFILE.replace("link_mbps: 10", "link_mbps: 11"))
    assert profile_digest(load_pemda(file)) != first


BYTES = {
    "empty": (b"", "the file is empty"),
    "text": (b"karawang", "expected fields of its own"),
    "a list": (b"[1]", "expected fields of its own"),
    "not UTF-8": (PROFILE.encode("utf-16"), "not UTF-8 text"),
}


@pytest.mark.parametrize("name", BYTES)
def test_what_is_no_profile_is_refused(name: str, tmp_path: Path) -> None:
    data, says = BYTES[name]
    file = tmp_path / "pemda.yaml"
    file.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_pemda(file)
    assert says in only(caught.value).message
