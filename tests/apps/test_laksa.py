"""LAKSA on a real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.apps import journeys
from tests.apps.journeys import PDF, PNG, Browser, File, JourneyError, Officer
from tests.apps.servers import OFFICER_PASSWORD, AppServer


@pytest.fixture(scope="module")
def laksa(start_app: Callable[..., AppServer]) -> AppServer:
    return start_app("laksa", max_upload_mib=1)


@pytest.fixture(scope="module")
def officer(laksa: AppServer) -> Officer:
    return Officer(laksa.base_url, "laksa", OFFICER_PASSWORD)


def test_a_complaint_goes_from_red_over_yellow_to_green(laksa: AppServer, officer: Officer) -> None:
    ticket = journeys.file_complaint(laksa.base_url)
    assert re.fullmatch(r"LKS-\d{4}-[2-9A-HJKMNP-Z]{8}", ticket)
    filed = journeys.read_status(laksa.base_url, ticket)
    assert (filed["status"], filed["colour"]) == ("baru", "merah")
    assert journeys.fetch(laksa.base_url, filed["photo"]) == PNG

    journeys.answer_complaint(officer, ticket, "diproses", "Petugas menuju lokasi.")
    assert journeys.read_status(laksa.base_url, ticket)["colour"] == "kuning"
    journeys.answer_complaint(officer, ticket, "selesai", "Lubang sudah ditambal.")
    done = journeys.read_status(laksa.base_url, ticket)
    assert (done["status"], done["colour"]) == ("selesai", "hijau")
    assert [event["colour"] for event in done["history"]] == ["merah", "kuning", "hijau"]
    assert done["history"][-1]["answer"] == "Lubang sudah ditambal."
    assert done["history"][-1]["actor"] == "petugas"


def test_pages_work_in_a_browser_without_javascript(laksa: AppServer) -> None:
    visitor = Browser(laksa.base_url)
    form = visitor.get("/laksa/lapor")
    assert form.status == 200 and '<html lang="id">' in form.text and "<script" not in form.text
    assert "Kabupaten Contoh" in form.text
    fields = {"category": "Lainnya", "place": "Alun-alun", "description": "<b>Lampu</b> mati"}
    sent = visitor.post("/laksa/lapor", fields, as_json=False)
    assert sent.status == 303
    shown = visitor.get(sent.headers["location"])
    assert shown.status == 200 and "Baru" in shown.text and "&lt;b&gt;Lampu" in shown.text
    assert visitor.get("/laksa/").status == 200
    assert visitor.get("/laksa/static/layanan.css").status == 200
    wrong = visitor.post("/laksa/lapor", {"category": "Lainnya"}, as_json=False)
    assert wrong.status == 422 and "Wajib diisi." in wrong.text


def test_name_and_contact_are_for_officers_only(laksa: AppServer, officer: Officer) -> None:
    ticket = journeys.file_complaint(laksa.base_url)
    assert not {"name", "contact"} & journeys.read_status(laksa.base_url, ticket).keys()
    assert "Warga Contoh" not in Browser(laksa.base_url).get(f"/laksa/tiket/{ticket}").text
    assert officer.read(f"/petugas/{ticket}")["name"] == "Warga Contoh"


def test_the_officers_list_can_be_filtered(laksa: AppServer, officer: Officer) -> None:
    ticket = journeys.file_complaint(laksa.base_url, category="Penerangan jalan", photo=None)
    journeys.answer_complaint(officer, ticket, "diproses", "Dicek.")
    rows = officer.read("/petugas?status=diproses&category=Penerangan+jalan")["complaints"]
    assert ticket in [row["ticket"] for row in rows]
    assert {row["status"] for row in rows} == {"diproses"}
    assert ticket in officer.get("/laksa/petugas").text
    assert officer.get(f"/laksa/petugas/{ticket}").status == 200


BAD_FORMS = {
    "nothing filled in": ({}, {"category", "place", "description"}),
    "unknown category": ({"category": "Sihir"}, {"category"}),
    "latitude off the globe": ({"latitude": "91"}, {"latitude"}),
    "latitude not a number": ({"latitude": "nan"}, {"latitude"}),
    "description too long": ({"description": "x" * 4001}, {"description"}),
    "only blanks": ({"place": " \t\r\n "}, {"place"}),
}


@pytest.mark.parametrize("case", BAD_FORMS)
def test_a_bad_form_says_which_field(laksa: AppServer, case: str) -> None:
    changes, wrong = BAD_FORMS[case]
    good = {"category": "Lainnya", "place": "Pasar", "description": "Uraian"}
    answer = Browser(laksa.base_url).post("/laksa/lapor", {**good, **changes} if changes else {})
    assert answer.status == 422
    assert set(answer.json()["errors"]) == wrong


BAD_PHOTOS = {
    "a PDF called .png": PDF,
    "a script": b"<script>alert(1)</script>",
    "empty": b"",
    "over one MiB": PNG + b"\0" * (1 << 20),
}


@pytest.mark.parametrize("case", BAD_PHOTOS)
def test_a_bad_photo_is_refused_and_nothing_is_stored(laksa: AppServer, case: str) -> None:
    stored = sorted((laksa.home / "laksa-data").rglob("*"))
    fields = {"category": "Lainnya", "place": "Pasar", "description": "Uraian"}
    files = [("photo", File("foto.png", BAD_PHOTOS[case]))]
    answer = Browser(laksa.base_url).post("/laksa/lapor", fields, files)
    assert answer.status == 422 and set(answer.json()["errors"]) == {"photo"}
    kept = {p for p in (laksa.home / "laksa-data").rglob("*") if p.is_file()}
    assert kept == {p for p in stored if p.is_file()}


def test_a_body_over_the_limit_is_refused(laksa: AppServer) -> None:
    files = [("photo", File("foto.png", PNG + b"\0" * (3 << 20)))]
    try:
        answer = Browser(laksa.base_url).post("/laksa/lapor", {"category": "Lainnya"}, files)
    except OSError:
        return  # the server closed the connection before it took all of it
    assert answer.status == 413


def test_strangers_see_neither_desk_nor_unknown_tickets(laksa: AppServer) -> None:
    visitor = Browser(laksa.base_url)
    assert visitor.get("/laksa/tiket/LKS-2026-ZZZZZZZZ", as_json=True).status == 404
    assert visitor.get("/laksa/petugas", as_json=True).status == 401
    page = visitor.get("/laksa/petugas")
    assert page.status == 302 and "/laksa/masuk" in page.headers["location"]
    ticket = journeys.file_complaint(laksa.base_url, photo=None)
    answer = visitor.post(f"/laksa/petugas/{ticket}", {"status": "selesai", "answer": "x"})
    assert answer.status == 401


def test_an_officers_post_needs_the_token(laksa: AppServer, officer: Officer) -> None:
    ticket = journeys.file_complaint(laksa.base_url, photo=None)
    fields = {"status": "selesai", "answer": "x"}
    assert officer.post(f"/laksa/petugas/{ticket}", fields).status == 403
    assert journeys.read_status(laksa.base_url, ticket)["status"] == "baru"


def test_a_post_from_another_site_is_refused(laksa: AppServer) -> None:
    fields = {"category": "Lainnya", "place": "Pasar", "description": "Uraian"}
    for header in ({"Origin": "https://jahat.invalid"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = Browser(laksa.base_url).post("/laksa/lapor", fields, headers=header)
        assert answer.status == 403
    own = {"Origin": laksa.base_url, "Sec-Fetch-Site": "same-origin"}
    assert Browser(laksa.base_url).post("/laksa/lapor", fields, headers=own).status == 201


def test_the_login_never_leads_to_another_site(laksa: AppServer) -> None:
    fields = {"username": "petugas", "password": OFFICER_PASSWORD}
    for target in ("//jahat.invalid/", "https://jahat.invalid/", "/laksa/\\jahat", "/lain/"):
        answer = Browser(laksa.base_url).post(
            "/laksa/masuk", {**fields, "next": target}, as_json=False
        )
        assert answer.headers["location"] == "/laksa/petugas"


def test_a_wrong_password_is_refused_and_guessing_is_slowed(laksa: AppServer) -> None:
    visitor = Browser(laksa.base_url)
    guess = {"username": "petugas", "password": "salah"}
    headers = {"X-Forwarded-For": "203.0.113.9"}
    answers = [
        visitor.post("/laksa/masuk", guess, as_json=False, headers=headers).status
        for _ in range(11)
    ]
    assert answers == [401] * 10 + [429]
    with pytest.raises(JourneyError):
        Officer(laksa.base_url, "laksa", OFFICER_PASSWORD, user="orang-lain")


def test_logging_out_ends_the_session(laksa: AppServer) -> None:
    officer = Officer(laksa.base_url, "laksa", OFFICER_PASSWORD)
    sent = officer.post("/laksa/keluar", {"csrf_token": officer.csrf_token}, as_json=False)
    assert sent.status == 303
    assert officer.get("/laksa/petugas", as_json=True).status == 401
