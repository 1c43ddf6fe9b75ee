"""e-Surat on a real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.apps import journeys
from tests.apps.journeys import PDF, Browser, JourneyError, Officer
from tests.apps.servers import OFFICER_PASSWORD, AppServer


@pytest.fixture(scope="module")
def e_surat(start_app: Callable[..., AppServer]) -> AppServer:
    return start_app("e-surat")


@pytest.fixture(scope="module")
def officer(e_surat: AppServer) -> Officer:
    return Officer(e_surat.base_url, "e-surat", OFFICER_PASSWORD)


def test_a_letter_is_registered_passed_on_and_followed_up(officer: Officer) -> None:
    letter = journeys.register_letter(officer)
    seen = officer.read(f"/surat/{letter}")
    assert seen["status"] == "masuk" and re.fullmatch(r"\d{4}/2026", seen["agenda"])
    assert officer.get(seen["scan"]).body == PDF

    disposition = journeys.dispose_letter(officer, letter)
    assert officer.read(f"/surat/{letter}")["status"] == "didisposisikan"
    with pytest.raises(JourneyError) as error:
        journeys.close_letter(officer, letter)
    assert error.value.status == 409
    journeys.follow_up(officer, letter, disposition, "Rapat dihadiri Kepala Bagian.")
    journeys.close_letter(officer, letter)
    done = officer.read(f"/surat/{letter}")
    assert (done["status"], done["colour"]) == ("selesai", "hijau")
    assert done["dispositions"][0]["follow_up"] == "Rapat dihadiri Kepala Bagian."


def test_everything_but_the_health_path_needs_a_login(e_surat: AppServer) -> None:
    visitor = Browser(e_surat.base_url)
    for path in ("/", "/surat/baru", "/surat/1", "/surat/1/berkas"):
        assert visitor.get(f"/e-surat{path}", as_json=True).status == 401, path
        assert visitor.get(f"/e-surat{path}").status == 302, path
    for path in ("/surat/baru", "/surat/1/disposisi", "/surat/1/disposisi/1", "/surat/1/selesai"):
        assert visitor.post(f"/e-surat{path}", {}).status == 401, path
    assert visitor.get("/e-surat/healthz").status == 200


def test_agenda_numbers_have_no_gap_and_no_double(officer: Officer) -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: journeys.register_letter(officer, scan=None), range(12)))
    agendas = sorted(int(officer.read(f"/surat/{i}")["agenda"].split("/")[0]) for i in ids)
    assert agendas == list(range(agendas[0], agendas[0] + 12))


def test_letters_are_found_by_text_and_status(officer: Officer) -> None:
    letter = journeys.register_letter(officer, scan=None)
    rows = officer.read("/?status=masuk&q=UNDANGAN")["letters"]
    assert letter in [row["id"] for row in rows]
    assert officer.read("/?q=100%25")["letters"] == []


def test_a_disposition_is_followed_up_once(officer: Officer) -> None:
    letter = journeys.register_letter(officer, scan=None)
    disposition = journeys.dispose_letter(officer, letter)
    journeys.follow_up(officer, letter, disposition)
    with pytest.raises(JourneyError) as error:
        journeys.follow_up(officer, letter, disposition)
    assert error.value.status == 409


def test_every_page_works_in_a_browser(officer: Officer) -> None:
    letter = journeys.register_letter(officer)
    journeys.dispose_letter(officer, letter)
    for path in ("/", "/surat/baru", f"/surat/{letter}"):
        page = officer.get(f"/e-surat{path}")
        assert page.status == 200 and '<html lang="id">' in page.text, path
    wrong = officer.post(
        f"/e-surat/surat/{letter}/disposisi", {"csrf_token": officer.csrf_token}, as_json=False
    )
    assert wrong.status == 422 and "Wajib diisi." in wrong.text
