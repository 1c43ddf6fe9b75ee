"""LAKSA's pages: filing a complaint, following it, and the officers' desk."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Flask, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from layanan import uploads
from layanan.answers import PAGE_SIZE, done, page, page_number
from layanan.forms import Form
from layanan.numbers import clean_number
from layanan.officer import current_officer, officer_required
from layanan.web import create_app

from app import SERVICE, complaints

routes = Blueprint("laksa", __name__)
PUBLIC = ("ticket", "category", "place", "latitude", "longitude", "description", "status", "colour")


def create() -> Flask:
    """The WSGI application."""
    return create_app(SERVICE, routes)


def _categories() -> list[str]:
    return list(current_app.extensions["layanan"].settings["categories"])


def _found(ticket: str) -> dict[str, Any]:
    return complaints.find(clean_number(ticket)) or abort(404, "Nomor tiket ini tidak dikenal.")


def _public(row: dict[str, Any]) -> dict[str, Any]:
    """What whoever has the number may see: not the name and contact of who filed it."""
    photo = url_for("laksa.photo", ticket=row["ticket"]) if row["photo"] else None
    shown = {key: row[key] for key in PUBLIC}
    return shown | {"created_at": row["created_at"], "photo": photo, "history": row["history"]}


@routes.get("/")
def home() -> ResponseReturnValue:
    """The start: how many complaints there are, and where to go."""
    return page("home.html", {"counts": complaints.counts()})


@routes.route("/lapor", methods=["GET", "POST"])
def report() -> ResponseReturnValue:
    """The complaint form. Fields: category, place, description; optional latitude, longitude,
    name, contact, photo (JPEG or PNG)."""
    form = Form(request.form)
    if request.method == "GET":
        return page("report.html", {"categories": _categories()}, values={})
    fields: dict[str, Any] = {
        "category": form.choice("category", _categories()),
        "place": form.text("place", longest=300),
        "latitude": form.number("latitude", -90, 90),
        "longitude": form.number("longitude", -180, 180),
        "description": form.text("description", longest=4000),
        "name": form.text("name", longest=100, required=False),
        "contact": form.text("contact", longest=100, required=False),
    }
    if form.errors:
        return _refused(form)
    try:
        photo = uploads.save(request.files.get("photo"), uploads.IMAGES)
    except uploads.UploadError as error:
        form.errors["photo"] = str(error)
        return _refused(form)
    try:
        ticket = complaints.file(fields, photo)
    except BaseException:
        uploads.discard(photo)
        raise
    facts = {"ticket": ticket, "status": "baru", "colour": complaints.COLOURS["baru"]}
    return done(url_for("laksa.ticket", ticket=ticket), facts, 201)


def _refused(form: Form) -> Response:
    facts = {"categories": _categories(), "errors": form.errors}
    return page("report.html", facts, 422, values=form.values)


@routes.get("/tiket")
def search() -> ResponseReturnValue:
    """From the search field (`no`) to the ticket."""
    return redirect(url_for("laksa.ticket", ticket=clean_number(request.args.get("no", "")) or "-"))


@routes.get("/tiket/<ticket>")
def ticket(ticket: str) -> ResponseReturnValue:
    """One complaint for whoever has its number."""
    return page("ticket.html", _public(_found(ticket)))


@routes.get("/tiket/<ticket>/foto")
def photo(ticket: str) -> ResponseReturnValue:
    """The complaint's photo."""
    row = _found(ticket)
    return uploads.serve(row["photo"], row["photo_type"] or "")


@routes.get("/petugas")
@officer_required
def desk() -> ResponseReturnValue:
    """All complaints; `status` and `category` filter them."""
    chosen = {key: request.args.get(key, "") for key in ("status", "category")}
    rows = complaints.listed(chosen["status"], chosen["category"], page_number())
    facts = {"complaints": rows[:PAGE_SIZE], "page": page_number(), "more": len(rows) > PAGE_SIZE}
    extra: dict[str, Any] = {
        "categories": _categories(),
        "statuses": complaints.COLOURS,
        "values": chosen,
    }
    return page("desk.html", facts, **extra)


@routes.route("/petugas/<ticket>", methods=["GET", "POST"])
@officer_required
def work(ticket: str) -> ResponseReturnValue:
    """One complaint for an officer; a post with status and answer moves it on."""
    row = _found(ticket)
    facts = _public(row) | {"name": row["name"], "contact": row["contact"]}
    extra: dict[str, Any] = {"statuses": complaints.COLOURS}
    if request.method == "GET":
        return page("work.html", facts, **extra, values={"status": row["status"]})
    form = Form(request.form)
    status = form.choice("status", complaints.COLOURS)
    text = form.text("answer", longest=4000)
    if form.errors:
        return page("work.html", facts | {"errors": form.errors}, 422, **extra, values=form.values)
    complaints.answer(row["id"], cast(str, current_officer()), status, text)
    changed = {"ticket": row["ticket"], "status": status, "colour": complaints.COLOURS[status]}
    return done(url_for("laksa.work", ticket=row["ticket"]), changed)
