"""e-Surat's pages. All of them are for officers; only the health path is open."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Flask, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from layanan import clock, uploads
from layanan.answers import PAGE_SIZE, done, page, page_number
from layanan.forms import Form
from layanan.officer import current_officer, officer_required
from layanan.web import create_app

from app import SERVICE, letters

routes = Blueprint("e_surat", __name__)
URGENCY = {"biasa": "Biasa", "segera": "Segera"}
SHOWN = (
    "id",
    "agenda",
    "number",
    "sender",
    "subject",
    "letter_date",
    "received_on",
    "urgency",
    "status",
    "colour",
    "dispositions",
)


def create() -> Flask:
    """The WSGI application."""
    return create_app(SERVICE, routes)


def _units() -> list[str]:
    return list(current_app.extensions["layanan"].settings["units"])


def _found(number: int) -> dict[str, Any]:
    return letters.find(number) or abort(404, "Surat ini tidak ada.")


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    scan = url_for("e_surat.scan", number=row["id"]) if row["scan"] else None
    return {key: row[key] for key in SHOWN} | {"scan": scan}


def _letter_page(row: dict[str, Any], form: Form | None = None) -> Response:
    facts = _facts(row) | ({"errors": form.errors} if form else {})
    values = form.values if form else {}
    return page("letter.html", facts, 422 if form else 200, units=_units(), values=values)


@routes.get("/petugas")
def desk() -> ResponseReturnValue:
    """The whole app is the officers' desk."""
    return redirect(url_for("e_surat.home"))


@routes.get("/")
@officer_required
def home() -> ResponseReturnValue:
    """The letters; `status` and `q` (a text) filter them."""
    chosen = {key: request.args.get(key, "") for key in ("status", "q")}
    rows = letters.listed(chosen["status"], chosen["q"].strip()[:200], page_number())
    facts = {"letters": rows[:PAGE_SIZE], "page": page_number(), "more": len(rows) > PAGE_SIZE}
    statuses = {status: status.capitalize() for status in letters.COLOURS}
    return page("home.html", facts, statuses=statuses, values=chosen)


@routes.route("/surat/baru", methods=["GET", "POST"])
@officer_required
def register() -> ResponseReturnValue:
    """Registers a letter. Fields: number, sender, subject, letter_date, received_on, urgency,
    scan (PDF, JPEG or PNG; optional)."""
    if request.method == "GET":
        today = clock.today(current_app.extensions["layanan"].timezone).isoformat()
        return page("register.html", {"urgencies": URGENCY}, values={"received_on": today})
    form = Form(request.form)
    fields = {
        "number": form.text("number", longest=100),
        "sender": form.text("sender", longest=200),
        "subject": form.text("subject", longest=500),
        "letter_date": form.day("letter_date"),
        "received_on": form.day("received_on"),
        "urgency": form.choice("urgency", URGENCY),
    }
    if form.errors:
        return _refused(form)
    try:
        scan = uploads.save(request.files.get("scan"), uploads.DOCUMENTS)
    except uploads.UploadError as error:
        form.errors["scan"] = str(error)
        return _refused(form)
    try:
        row = letters.register(fields, scan)
    except BaseException:
        uploads.discard(scan)
        raise
    facts = {"id": row["id"], "agenda": row["agenda"], "status": "masuk"}
    return done(url_for("e_surat.letter", number=row["id"]), facts, 201)


def _refused(form: Form) -> Response:
    facts = {"urgencies": URGENCY, "errors": form.errors}
    return page("register.html", facts, 422, values=form.values)


@routes.get("/surat/<int:number>")
@officer_required
def letter(number: int) -> ResponseReturnValue:
    """One letter with its dispositions."""
    return _letter_page(_found(number))


@routes.get("/surat/<int:number>/berkas")
@officer_required
def scan(number: int) -> ResponseReturnValue:
    """The scanned letter."""
    row = _found(number)
    return uploads.serve(row["scan"], row["scan_type"] or "")


@routes.post("/surat/<int:number>/disposisi")
@officer_required
def dispose(number: int) -> ResponseReturnValue:
    """Passes a letter on. Fields: unit, instruction; optional person, due_on."""
    row = _found(number)
    form = Form(request.form)
    fields = {
        "unit": form.choice("unit", _units()),
        "person": form.text("person", longest=100, required=False),
        "instruction": form.text("instruction", longest=2000),
        "due_on": form.day("due_on", required=False),
    }
    if form.errors:
        return _letter_page(row, form)
    disposition = letters.dispose(number, fields, cast(str, current_officer()))
    facts = {"id": disposition, "letter": number, "status": "didisposisikan"}
    return done(url_for("e_surat.letter", number=number), facts, 201)


@routes.post("/surat/<int:number>/disposisi/<int:disposition>")
@officer_required
def follow_up(number: int, disposition: int) -> ResponseReturnValue:
    """What the unit did; closes the disposition. Field: follow_up."""
    _found(number)
    form = Form(request.form)
    text = form.text("follow_up", longest=4000)
    if form.errors:
        abort(422, "Tindak lanjut wajib diisi, paling panjang 4000 huruf.")
    if not letters.follow_up(number, disposition, text):
        abort(409, "Disposisi ini tidak ada atau sudah ditindaklanjuti.")
    return done(url_for("e_surat.letter", number=number), {"id": disposition, "letter": number})


@routes.post("/surat/<int:number>/selesai")
@officer_required
def close(number: int) -> ResponseReturnValue:
    """The letter is done, once every disposition is."""
    _found(number)
    if not letters.close(number):
        abort(409, "Masih ada disposisi yang belum ditindaklanjuti.")
    return done(url_for("e_surat.letter", number=number), {"id": number, "status": "selesai"})
