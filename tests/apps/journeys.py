"""What people do with the apps, as functions: for these tests, for e2e tests and for the demo.

Standard library only. `base_url` is the public entrance, such as `http://198.18.1.1`; every path
is under the app's prefix. A wrong answer is a JourneyError that shows what came back.
"""

from __future__ import annotations

import json
import secrets
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any

# The smallest true PNG: one grey pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


class JourneyError(AssertionError):
    """An answer that the journey did not expect; `status` and `body` say what it was."""

    def __init__(self, what: str, status: int, body: str) -> None:
        super().__init__(f"{what}: {status} {body[:500]}")
        self.status, self.body = status, body


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of one answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True)
class File:
    """A file to upload."""

    name: str
    content: bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Browser:
    """A visitor with cookies. Certificates are not checked: servers here sign their own."""

    def __init__(self, base_url: str, timeout_s: float = 15) -> None:
        self.base_url, self.timeout_s = base_url.rstrip("/"), timeout_s
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(CookieJar()),
            _NoRedirect(),
        )

    def get(self, path: str, *, as_json: bool = False) -> Answer:
        """GET; errors are answers too."""
        return self._send(path, None, {}, as_json)

    def post(
        self,
        path: str,
        fields: dict[str, str],
        files: list[tuple[str, File]] | None = None,
        *,
        as_json: bool = True,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """POST a form; multipart when there are files."""
        if files:
            kind, body = _multipart(fields, files)
        else:
            kind = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(fields).encode()
        return self._send(path, body, {"Content-Type": kind, **(headers or {})}, as_json)

    def _send(
        self, path: str, body: bytes | None, headers: dict[str, str], as_json: bool
    ) -> Answer:
        url = path if path.startswith("http") else self.base_url + path
        accept = "application/json" if as_json else "text/html"
        request = urllib.request.Request(url, body, {"Accept": accept, **headers})
        try:
            with self._opener.open(request, timeout=self.timeout_s) as reply:
                return Answer(reply.status, _lower(reply.headers), reply.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, _lower(error.headers), error.read())


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _multipart(fields: dict[str, str], files: list[tuple[str, File]]) -> tuple[str, bytes]:
    mark = secrets.token_hex(16)
    parts = []
    for name, value in fields.items():
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"'
        parts.append(f"{head}\r\n\r\n{value}\r\n")
    body = "".join(parts).encode()
    for name, file in files:
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{file.name}"'
        body += head.encode() + b"\r\nContent-Type: application/octet-stream\r\n\r\n"
        body += file.content + b"\r\n"
    return f"multipart/form-data; boundary={mark}", body + f"--{mark}--\r\n".encode()


def expect(answer: Answer, status: int, what: str) -> Any:
    """The answer's JSON; JourneyError unless it has `status`."""
    if answer.status != status:
        raise JourneyError(what, answer.status, answer.text)
    return answer.json()


# --- the gateway -----------------------------------------------------------------------------


def health(base_url: str, app: str, timeout_s: float = 5) -> dict[str, Any]:
    """What an app's health path says, for instance its `version`; JourneyError unless 200."""
    answer = Browser(base_url, timeout_s).get(f"/{app}/healthz", as_json=True)
    return dict(expect(answer, 200, f"health of {app}"))


def start_page(base_url: str) -> str:
    """The HTML of the gateway's start page."""
    answer = Browser(base_url).get("/")
    if answer.status != 200:
        raise JourneyError("start page", answer.status, answer.text)
    return answer.text


# --- officers --------------------------------------------------------------------------------


class Officer(Browser):
    """An officer who is logged in to one app."""

    def __init__(self, base_url: str, app: str, password: str, user: str = "petugas") -> None:
        super().__init__(base_url)
        self.app = app
        fields = {"username": user, "password": password}
        answer = self.post(f"/{app}/masuk", fields, as_json=False)
        if answer.status != 303:
            raise JourneyError(f"login to {app}", answer.status, answer.text)
        desk = "/e-surat/" if app == "e-surat" else f"/{app}/petugas"
        self.csrf_token = str(expect(self.get(desk, as_json=True), 200, "desk")["csrf_token"])

    def read(self, path: str) -> Any:
        """The JSON of a path under the app."""
        return expect(self.get(f"/{self.app}{path}", as_json=True), 200, path)

    def act(
        self, path: str, fields: dict[str, str], files: list[tuple[str, File]] | None = None
    ) -> Any:
        """Posts a form with the CSRF token; the JSON of the answer."""
        answer = self.post(f"/{self.app}{path}", {"csrf_token": self.csrf_token, **fields}, files)
        if answer.status not in (200, 201):
            raise JourneyError(f"POST {path}", answer.status, answer.text)
        return answer.json()


# --- laksa -----------------------------------------------------------------------------------


def file_complaint(
    base_url: str,
    *,
    category: str = "Jalan dan jembatan",
    place: str = "Jalan Contoh, depan pasar",
    description: str = "Jalan berlubang, berbahaya pada malam hari.",
    photo: bytes | None = PNG,
) -> str:
    """A citizen files a complaint; the ticket number."""
    fields = {
        "category": category,
        "place": place,
        "description": description,
        "latitude": "-6.3",
        "longitude": "107.3",
        "name": "Warga Contoh",
        "contact": "0812-0000-0000",
    }
    files = [("photo", File("foto.png", photo))] if photo else None
    answer = Browser(base_url).post("/laksa/lapor", fields, files)
    return str(expect(answer, 201, "file a complaint")["ticket"])


def read_status(base_url: str, ticket: str) -> dict[str, Any]:
    """The complaint as a citizen sees it: `status`, `colour`, `history`, `photo`, …"""
    answer = Browser(base_url).get(f"/laksa/tiket/{ticket}", as_json=True)
    return dict(expect(answer, 200, f"read {ticket}"))


def fetch(base_url: str, path: str) -> bytes:
    """The bytes behind a path, for instance a complaint's photo."""
    answer = Browser(base_url).get(path)
    if answer.status != 200:
        raise JourneyError(f"GET {path}", answer.status, answer.text)
    return answer.body


def answer_complaint(officer: Officer, ticket: str, status: str, answer: str) -> None:
    """The officer moves a complaint to "diproses" or "selesai" and answers."""
    officer.act(f"/petugas/{ticket}", {"status": status, "answer": answer})


# --- perizinan -------------------------------------------------------------------------------


def apply_for_permit(
    base_url: str, *, permit_type: str = "reklame", documents: list[bytes] | None = None
) -> str:
    """A citizen applies for a permit with documents; the application's number."""
    fields = {
        "permit_type": permit_type,
        "name": "Warga Contoh",
        "contact": "warga@contoh.invalid",
        "address": "Jalan Contoh 1",
        "description": "Papan nama toko 2 x 1 meter.",
    }
    sent = [PDF, PNG] if documents is None else documents
    files = [("documents", File(f"berkas-{i}.pdf", content)) for i, content in enumerate(sent)]
    answer = Browser(base_url).post("/perizinan/ajukan", fields, files)
    return str(expect(answer, 201, "apply for a permit")["number"])


def read_application(base_url: str, number: str) -> dict[str, Any]:
    """The permit application as the applicant sees it: `status`, `reason`, `documents`, …"""
    answer = Browser(base_url).get(f"/perizinan/permohonan/{number}", as_json=True)
    return dict(expect(answer, 200, f"read {number}"))


def decide_permit(officer: Officer, number: str, decision: str, reason: str) -> None:
    """The officer decides: "disetujui" or "ditolak"."""
    officer.act(f"/petugas/{number}", {"decision": decision, "reason": reason})


# --- siap-kerja ------------------------------------------------------------------------------


def publish_vacancy(officer: Officer, title: str = "Operator gudang") -> int:
    """The officer publishes a vacancy; its id."""
    fields = {
        "title": title,
        "employer": "PT Contoh",
        "sector": "Jasa",
        "place": "Kecamatan Contoh",
        "description": "Mengelola barang masuk dan keluar.",
        "closes_on": "2099-12-31",
    }
    return int(officer.act("/petugas/lowongan", fields)["id"])


def list_vacancies(base_url: str) -> list[dict[str, Any]]:
    """The open vacancies."""
    answer = Browser(base_url).get("/siap-kerja/", as_json=True)
    return list(expect(answer, 200, "list vacancies")["vacancies"])


def register_seeker(base_url: str, *, cv: bytes | None = PDF) -> str:
    """A job seeker registers; the code that is needed to apply."""
    fields = {
        "name": "Pencari Contoh",
        "contact": "0812-0000-0001",
        "education": "SMA/SMK",
        "skills": "Forklift, administrasi gudang",
    }
    files = [("cv", File("cv.pdf", cv))] if cv else None
    answer = Browser(base_url).post("/siap-kerja/daftar", fields, files)
    return str(expect(answer, 201, "register a job seeker")["code"])


def apply_for_job(base_url: str, vacancy: int, code: str) -> None:
    """The job seeker applies."""
    fields = {"code": code, "message": "Saya berminat."}
    answer = Browser(base_url).post(f"/siap-kerja/lowongan/{vacancy}/lamar", fields)
    expect(answer, 201, "apply for a job")


def read_seeker(base_url: str, code: str) -> dict[str, Any]:
    """A job seeker's own profile and `applications`."""
    answer = Browser(base_url).get(f"/siap-kerja/pencari/{code}", as_json=True)
    return dict(expect(answer, 200, "read the profile"))


# --- e-surat ---------------------------------------------------------------------------------


def register_letter(officer: Officer, *, scan: bytes | None = PDF) -> int:
    """The officer registers an incoming letter; its id."""
    fields = {
        "number": "005/123/Contoh",
        "sender": "Dinas Contoh",
        "subject": "Undangan rapat",
        "letter_date": "2026-01-05",
        "received_on": "2026-01-06",
        "urgency": "biasa",
    }
    files = [("scan", File("surat.pdf", scan))] if scan else None
    return int(officer.act("/surat/baru", fields, files)["id"])


def dispose_letter(officer: Officer, letter: int, unit: str = "Bagian Umum") -> int:
    """The officer passes a letter to a unit with an instruction; the disposition's id."""
    fields = {"unit": unit, "person": "", "instruction": "Hadiri.", "due_on": "2026-01-09"}
    return int(officer.act(f"/surat/{letter}/disposisi", fields)["id"])


def follow_up(
    officer: Officer, letter: int, disposition: int, text: str = "Sudah dihadiri."
) -> None:
    """The unit reports what it did, which closes the disposition."""
    officer.act(f"/surat/{letter}/disposisi/{disposition}", {"follow_up": text})


def close_letter(officer: Officer, letter: int) -> None:
    """The letter is done."""
    officer.act(f"/surat/{letter}/selesai", {})
