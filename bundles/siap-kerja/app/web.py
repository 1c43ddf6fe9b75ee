"""Siap Kerja's pages: vacancies, job seekers, applications, and the officers' desk."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from layanan import clock, uploads
from layanan.answers import PAGE_SIZE, done, page, page_number
from layanan.forms import Form
from layanan.numbers import clean_number
from layanan.officer import officer_required
from layanan.web import create_app

from app import SERVICE, jobs

routes = Blueprint("siap_kerja", __name__)
EDUCATION = ("SD", "SMP", "SMA/SMK", "Diploma", "Sarjana", "Pascasarjana")


def create() -> Flask:
    """The WSGI application."""
    return create_app(SERVICE, routes)


def _settings() -> dict[str, Any]:
    return dict(current_app.extensions["layanan"].settings)


def _today() -> Any:
    return clock.today(current_app.extensions["layanan"].timezone)


def _vacancy(number: int) -> dict[str, Any]:
    return jobs.vacancy(number) or abort(404, "Lowongan ini tidak ada.")


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("id", "title", "employer", "sector", "place", "description", "closes_on")
    is_open = not row["closed"] and row["closes_on"] >= _today()
    return {key: row[key] for key in keys} | {"open": is_open}


@routes.get("/")
def home() -> ResponseReturnValue:
    """The open vacancies; `sector` filters them."""
    chosen = {"sector": request.args.get("sector", "")}
    rows = jobs.open_vacancies(_today(), chosen["sector"], page_number())
    facts = {"vacancies": rows[:PAGE_SIZE], "page": page_number(), "more": len(rows) > PAGE_SIZE}
    return page("home.html", facts, sectors=_settings()["sectors"], values=chosen)


@routes.get("/lowongan/<int:number>")
def vacancy(number: int) -> ResponseReturnValue:
    """One vacancy, with the form to apply."""
    return page("vacancy.html", _facts(_vacancy(number)), values={})


@routes.post("/lowongan/<int:number>/lamar")
def apply(number: int) -> ResponseReturnValue:
    """An application. Fields: code (of the job seeker), message (may be empty)."""
    facts = _facts(_vacancy(number))
    form = Form(request.form)
    code = clean_number(form.text("code", longest=40))
    message = form.text("message", longest=2000, required=False)
    person = jobs.seeker(code) if code else None
    if code and not person:
        form.errors["code"] = "Kode ini tidak dikenal; daftar dahulu sebagai pencari kerja."
    if form.errors or not person:
        return page("vacancy.html", facts | {"errors": form.errors}, 422, values=form.values)
    if not facts["open"]:
        abort(409, "Lowongan ini sudah ditutup.")
    if not jobs.apply(number, person["id"], message):
        abort(409, "Anda sudah melamar lowongan ini.")
    answer = {"vacancy": number, "status": "dikirim"}
    return done(url_for("siap_kerja.seeker", code=person["code"]), answer, 201)


@routes.route("/daftar", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    """Registration of a job seeker. Fields: name, contact, education, skills, cv (PDF, JPEG or
    PNG; optional)."""
    if request.method == "GET":
        return page("register.html", {"education": EDUCATION}, values={})
    form = Form(request.form)
    fields = {
        "name": form.text("name", longest=100),
        "contact": form.text("contact", longest=100),
        "education": form.choice("education", EDUCATION),
        "skills": form.text("skills", longest=2000),
    }
    if form.errors:
        return _refused(form)
    try:
        cv = uploads.save(request.files.get("cv"), uploads.DOCUMENTS)
    except uploads.UploadError as error:
        form.errors["cv"] = str(error)
        return _refused(form)
    try:
        code = jobs.register(fields, cv)
    except BaseException:
        uploads.discard(cv)
        raise
    return done(url_for("siap_kerja.seeker", code=code), {"code": code}, 201)


def _refused(form: Form) -> Response:
    facts = {"education": EDUCATION, "errors": form.errors}
    return page("register.html", facts, 422, values=form.values)


@routes.get("/pencari")
def search() -> ResponseReturnValue:
    """From the search field (`no`) to the profile."""
    code = clean_number(request.args.get("no", "")) or "-"
    return redirect(url_for("siap_kerja.seeker", code=code))


@routes.get("/pencari/<code>")
def seeker(code: str) -> ResponseReturnValue:
    """A job seeker's own profile and applications, for whoever has the code."""
    row = jobs.seeker(clean_number(code)) or abort(404, "Kode ini tidak dikenal.")
    keys = ("code", "name", "contact", "education", "skills", "applications")
    return page("seeker.html", {key: row[key] for key in keys} | {"has_cv": bool(row["cv"])})


@routes.get("/petugas")
@officer_required
def desk() -> ResponseReturnValue:
    """All vacancies with the number of their applications."""
    rows = jobs.all_vacancies(page_number())
    facts = {"vacancies": rows[:PAGE_SIZE], "page": page_number(), "more": len(rows) > PAGE_SIZE}
    return page("desk.html", facts)


@routes.route("/petugas/lowongan", methods=["GET", "POST"])
@officer_required
def publish() -> ResponseReturnValue:
    """A new vacancy. Fields: title, employer, sector, place, description, closes_on."""
    sectors = _settings()["sectors"]
    if request.method == "GET":
        return page("publish.html", {"sectors": sectors}, values={})
    form = Form(request.form)
    fields = {
        "title": form.text("title", longest=120),
        "employer": form.text("employer", longest=120),
        "sector": form.choice("sector", sectors),
        "place": form.text("place", longest=200),
        "description": form.text("description", longest=4000),
        "closes_on": form.day("closes_on"),
    }
    if fields["closes_on"] and fields["closes_on"] < _today():
        form.errors["closes_on"] = "Tanggal ini sudah lewat."
    if form.errors:
        facts = {"sectors": sectors, "errors": form.errors}
        return page("publish.html", facts, 422, values=form.values)
    number = jobs.publish(fields)
    return done(url_for("siap_kerja.applications", number=number), {"id": number}, 201)


@routes.get("/petugas/lowongan/<int:number>")
@officer_required
def applications(number: int) -> ResponseReturnValue:
    """One vacancy with its applications."""
    facts = _facts(_vacancy(number)) | {"applications": jobs.applications_for(number)}
    return page("applications.html", facts, statuses=list(jobs.COLOURS))


@routes.post("/petugas/lowongan/<int:number>/tutup")
@officer_required
def close(number: int) -> ResponseReturnValue:
    """Closes a vacancy."""
    _vacancy(number)
    jobs.close(number)
    return done(url_for("siap_kerja.applications", number=number), {"id": number, "open": False})


@routes.post("/petugas/lamaran/<int:number>")
@officer_required
def move(number: int) -> ResponseReturnValue:
    """Moves an application on. Field: status."""
    row = jobs.application(number) or abort(404)
    form = Form(request.form)
    status = form.choice("status", jobs.COLOURS)
    if form.errors:
        abort(422, form.errors["status"])
    jobs.set_status(number, status)
    facts = {"id": number, "status": status}
    return done(url_for("siap_kerja.applications", number=row["vacancy_id"]), facts)


@routes.get("/petugas/lamaran/<int:number>/cv")
@officer_required
def cv(number: int) -> ResponseReturnValue:
    """The CV behind an application, for officers only."""
    row = jobs.application(number) or abort(404)
    return uploads.serve(row["cv"], row["cv_type"] or "")
