"""Siap Kerja on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.apps import journeys
from tests.apps.journeys import PDF, Browser, JourneyError, Officer
from tests.apps.servers import OFFICER_PASSWORD, AppServer


@pytest.fixture(scope="module")
def siap_kerja(start_app: Callable[..., AppServer]) -> AppServer:
    return start_app("siap-kerja")


@pytest.fixture(scope="module")
def officer(siap_kerja: AppServer) -> Officer:
    return Officer(siap_kerja.base_url, "siap-kerja", OFFICER_PASSWORD)


def test_from_vacancy_to_job(siap_kerja: AppServer, officer: Officer) -> None:
    vacancy = journeys.publish_vacancy(officer, "Operator gudang")
    assert vacancy in [row["id"] for row in journeys.list_vacancies(siap_kerja.base_url)]
    code = journeys.register_seeker(siap_kerja.base_url)
    journeys.apply_for_job(siap_kerja.base_url, vacancy, code)

    application = officer.read(f"/petugas/lowongan/{vacancy}")["applications"][0]
    assert (application["name"], application["status"]) == ("Pencari Contoh", "dikirim")
    cv = officer.get(f"/siap-kerja/petugas/lamaran/{application['id']}/cv")
    assert (cv.status, cv.body) == (200, PDF)
    officer.act(f"/petugas/lamaran/{application['id']}", {"status": "diterima"})
    mine = journeys.read_seeker(siap_kerja.base_url, code)["applications"]
    assert [(row["title"], row["status"]) for row in mine] == [("Operator gudang", "diterima")]


def test_nobody_applies_twice_or_to_a_closed_vacancy(
    siap_kerja: AppServer, officer: Officer
) -> None:
    vacancy = journeys.publish_vacancy(officer)
    code = journeys.register_seeker(siap_kerja.base_url, cv=None)
    journeys.apply_for_job(siap_kerja.base_url, vacancy, code)
    for _ in range(2):
        with pytest.raises(JourneyError) as error:
            journeys.apply_for_job(siap_kerja.base_url, vacancy, code)
        assert error.value.status == 409
        officer.act(f"/petugas/lowongan/{vacancy}/tutup", {})
    assert len(officer.read(f"/petugas/lowongan/{vacancy}")["applications"]) == 1
    assert vacancy not in [row["id"] for row in journeys.list_vacancies(siap_kerja.base_url)]


def test_an_unknown_code_cannot_apply(siap_kerja: AppServer, officer: Officer) -> None:
    vacancy = journeys.publish_vacancy(officer)
    with pytest.raises(JourneyError) as error:
        journeys.apply_for_job(siap_kerja.base_url, vacancy, "PKJ-2026-ZZZZZZZZ")
    assert error.value.status == 422 and "code" in error.value.body
    with pytest.raises(JourneyError) as error:
        journeys.apply_for_job(siap_kerja.base_url, 999_999, "PKJ-2026-ZZZZZZZZ")
    assert error.value.status == 404


def test_profiles_and_cvs_are_for_officers_only(siap_kerja: AppServer, officer: Officer) -> None:
    visitor = Browser(siap_kerja.base_url)
    for path in ("/petugas", "/petugas/lowongan", "/petugas/lowongan/1", "/petugas/lamaran/1/cv"):
        assert visitor.get(f"/siap-kerja{path}", as_json=True).status == 401
    assert visitor.get("/siap-kerja/pencari/PKJ-2026-ZZZZZZZZ").status == 404


def test_a_vacancy_in_the_past_is_refused(siap_kerja: AppServer, officer: Officer) -> None:
    fields = {"csrf_token": officer.csrf_token, "closes_on": "2020-01-01"}
    answer = officer.post("/siap-kerja/petugas/lowongan", fields)
    assert answer.status == 422
    assert answer.json()["errors"]["closes_on"] == "Tanggal ini sudah lewat."
    fields["closes_on"] = "besok"
    assert "closes_on" in officer.post("/siap-kerja/petugas/lowongan", fields).json()["errors"]


def test_every_page_works_in_a_browser(siap_kerja: AppServer, officer: Officer) -> None:
    vacancy = journeys.publish_vacancy(officer, "Juru <ketik>")
    code = journeys.register_seeker(siap_kerja.base_url)
    journeys.apply_for_job(siap_kerja.base_url, vacancy, code)
    public = ["/", "/?sector=Jasa", "/daftar", f"/lowongan/{vacancy}", f"/pencari/{code}"]
    desk = ["/petugas", "/petugas/lowongan", f"/petugas/lowongan/{vacancy}"]
    for path in public + desk:
        page = officer.get(f"/siap-kerja{path}")
        assert page.status == 200 and '<html lang="id">' in page.text, path
        assert "Juru <ketik>" not in page.text
