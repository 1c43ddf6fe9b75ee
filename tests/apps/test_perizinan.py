"""Perizinan Online on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.apps import journeys
from tests.apps.journeys import PDF, PNG, Browser, JourneyError, Officer
from tests.apps.servers import OFFICER_PASSWORD, AppServer


@pytest.fixture(scope="module")
def perizinan(start_app: Callable[..., AppServer]) -> AppServer:
    kinds = [
        {"code": "reklame", "name": "Izin <reklame>", "documents": "KTP"},
        {"code": "lain", "name": "Izin lain", "documents": "KTP"},
    ]
    return start_app("perizinan", permit_types=kinds, max_upload_mib=1)


@pytest.fixture(scope="module")
def officer(perizinan: AppServer) -> Officer:
    return Officer(perizinan.base_url, "perizinan", OFFICER_PASSWORD)


def _stored(server: AppServer) -> set[Path]:
    return {p for p in (server.home / "perizinan-data").rglob("*") if p.is_file()}


def test_an_application_is_approved_with_a_reason(perizinan: AppServer, officer: Officer) -> None:
    number = journeys.apply_for_permit(perizinan.base_url)
    applied = journeys.read_application(perizinan.base_url, number)
    assert (applied["status"], applied["permit_name"]) == ("diajukan", "Izin <reklame>")
    assert [d["type"] for d in applied["documents"]] == ["application/pdf", "image/png"]

    journeys.decide_permit(officer, number, "disetujui", "Berkas lengkap.")
    decided = journeys.read_application(perizinan.base_url, number)
    assert (decided["status"], decided["reason"]) == ("disetujui", "Berkas lengkap.")
    assert decided["decided_at"] > decided["created_at"]


def test_a_decision_is_final(perizinan: AppServer, officer: Officer) -> None:
    number = journeys.apply_for_permit(perizinan.base_url)
    journeys.decide_permit(officer, number, "ditolak", "Gambar tidak terbaca.")
    with pytest.raises(JourneyError) as error:
        journeys.decide_permit(officer, number, "disetujui", "Berubah pikiran.")
    assert error.value.status == 409
    assert journeys.read_application(perizinan.base_url, number)["status"] == "ditolak"


def test_a_refusal_needs_a_reason(perizinan: AppServer, officer: Officer) -> None:
    number = journeys.apply_for_permit(perizinan.base_url)
    with pytest.raises(JourneyError) as error:
        journeys.decide_permit(officer, number, "ditolak", " ")
    assert error.value.status == 422
    page = officer.post(
        f"/perizinan/petugas/{number}",
        {"csrf_token": officer.csrf_token, "decision": "ditolak", "reason": ""},
        as_json=False,
    )
    assert page.status == 422 and "Wajib diisi." in page.text


def test_documents_are_for_officers_only(perizinan: AppServer, officer: Officer) -> None:
    number = journeys.apply_for_permit(perizinan.base_url, documents=[PDF])
    seen = officer.read(f"/petugas/{number}")
    url = seen["documents"][0]["url"]
    answer = officer.get(url)
    assert (answer.status, answer.body) == (200, PDF)
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert Browser(perizinan.base_url).get(url, as_json=True).status == 401
    other = journeys.apply_for_permit(perizinan.base_url)
    assert officer.get(url.replace(number, other)).status == 404
    assert "name" not in journeys.read_application(perizinan.base_url, number)


def test_the_permit_list_is_the_pemdas_own(perizinan: AppServer) -> None:
    visitor = Browser(perizinan.base_url)
    assert "Izin &lt;reklame&gt;" in visitor.get("/perizinan/").text
    page = visitor.get("/perizinan/ajukan?jenis=lain").text
    assert '<option value="lain" selected>' in page
    with pytest.raises(JourneyError) as error:
        journeys.apply_for_permit(perizinan.base_url, permit_type="praktik")
    assert error.value.status == 422


@pytest.mark.parametrize(
    "documents",
    [[], [PDF] * 6, [PDF, b"MZ\x90"], [PDF, PDF + b"\0" * (1 << 20)]],
    ids=["none", "six", "second is a program", "second is over one MiB"],
)
def test_bad_documents_leave_nothing_behind(perizinan: AppServer, documents: list[bytes]) -> None:
    before = _stored(perizinan)
    with pytest.raises(JourneyError) as error:
        journeys.apply_for_permit(perizinan.base_url, documents=documents)
    assert error.value.status == 422 and "documents" in error.value.body
    assert _stored(perizinan) == before


def test_the_desk_filters_by_status_and_kind(perizinan: AppServer, officer: Officer) -> None:
    number = journeys.apply_for_permit(perizinan.base_url, permit_type="lain", documents=[PNG])
    rows = officer.read("/petugas?status=diajukan&permit_type=lain")["applications"]
    assert number in [row["number"] for row in rows]
    assert number not in str(officer.read("/petugas?status=ditolak"))
    assert number in officer.get("/perizinan/petugas").text
    assert officer.get(f"/perizinan/petugas/{number}").status == 200
