"""Pages of Perizinan Online: choosing, applying, following, and the officers' desk."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Flask, Response, abort, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue
from layanan import uploads
from layanan.answers import PAGE_SIZE, done, page, page_number
from layanan.forms import Form
from layanan.numbers import clean_number
from layanan.officer import current_officer, officer_required
from layanan.uploads import Upload, UploadError
from layanan.web import create_app

from app import SERVICE, permits

routes = Blueprint("perizinan", __name__)
MAX_DOCUMENTS = 5
PUBLIC = ("number", "permit_type", "permit_name", "status", "colour", "reason")


def create() -> Flask:
    """The WSGI application."""
    return create_app(SERVICE, routes, files_per_form=MAX_DOCUMENTS)


def _permit_types() -> dict[str, dict[str, str]]:
    kinds = current_app.extensions["layanan"].settings["permit_types"]
    return {kind["code"]: kind for kind in kinds}


def _found(number: str) -> dict[str, Any]:
    row = permits.find(clean_number(number))
    return row or abort(404, "Nomor permohonan ini tidak dikenal.")


def _public(row: dict[str, Any]) -> dict[str, Any]:
    """What whoever has the number may see: neither personal data nor the documents."""
    documents = [{"type": d["media_type"], "size_bytes": d["size_bytes"]} for d in row["documents"]]
    shown = {key: row[key] for key in PUBLIC}
    times = {"created_at": row["created_at"], "decided_at": row["decided_at"]}
    return shown | times | {"documents": documents}


def _for_officer(row: dict[str, Any]) -> dict[str, Any]:
    links = [
        {**shown, "url": url_for("perizinan.document", number=row["number"], document=d["id"])}
        for shown, d in zip(_public(row)["documents"], row["documents"], strict=True)
    ]
    person = {key: row[key] for key in ("name", "contact", "address", "description", "decided_by")}
    return _public(row) | person | {"documents": links}


@routes.get("/")
def home() -> ResponseReturnValue:
    """The kinds of permit."""
    return page("home.html", {"permit_types": list(_permit_types().values())})


@routes.route("/ajukan", methods=["GET", "POST"])
def apply() -> ResponseReturnValue:
    """The application form. Fields: permit_type, name, contact, address, description,
    documents (one to five files, PDF, JPEG or PNG)."""
    form = Form(request.form)
    if request.method == "GET":
        values = {"permit_type": request.args.get("jenis", "")}
        return page("apply.html", {"permit_types": list(_permit_types().values())}, values=values)
    fields = {
        "permit_type": form.choice("permit_type", _permit_types()),
        "name": form.text("name", longest=100),
        "contact": form.text("contact", longest=100),
        "address": form.text("address", longest=300),
        "description": form.text("description", longest=4000),
    }
    sent = [file for file in request.files.getlist("documents") if file.filename]
    if not 1 <= len(sent) <= MAX_DOCUMENTS:
        form.errors["documents"] = f"Unggah 1 sampai {MAX_DOCUMENTS} berkas."
    if form.errors:
        return _refused(form)
    fields["permit_name"] = _permit_types()[fields["permit_type"]]["name"]
    saved: list[Upload] = []
    try:
        for file in sent:
            saved.append(cast(Upload, uploads.save(file, uploads.DOCUMENTS)))
        number = permits.apply(fields, saved)
    except UploadError as error:
        uploads.discard(*saved)
        form.errors["documents"] = str(error)
        return _refused(form)
    except BaseException:
        uploads.discard(*saved)
        raise
    facts = {"number": number, "status": "diajukan", "colour": permits.COLOURS["diajukan"]}
    return done(url_for("perizinan.application", number=number), facts, 201)


def _refused(form: Form) -> Response:
    facts = {"permit_types": list(_permit_types().values()), "errors": form.errors}
    return page("apply.html", facts, 422, values=form.values)


@routes.get("/permohonan")
def search() -> ResponseReturnValue:
    """From the search field (`no`) to the application."""
    number = clean_number(request.args.get("no", "")) or "-"
    return redirect(url_for("perizinan.application", number=number))


@routes.get("/permohonan/<number>")
def application(number: str) -> ResponseReturnValue:
    """One application for whoever has its number."""
    return page("application.html", _public(_found(number)))


@routes.get("/petugas")
@officer_required
def desk() -> ResponseReturnValue:
    """All applications; `status` and `permit_type` filter them."""
    chosen = {key: request.args.get(key, "") for key in ("status", "permit_type")}
    rows = permits.listed(chosen["status"], chosen["permit_type"], page_number())
    facts = {"applications": rows[:PAGE_SIZE], "page": page_number(), "more": len(rows) > PAGE_SIZE}
    names = {code: kind["name"] for code, kind in _permit_types().items()}
    statuses = {status: status.capitalize() for status in permits.COLOURS}
    return page("desk.html", facts, names=names, statuses=statuses, values=chosen)


@routes.route("/petugas/<number>", methods=["GET", "POST"])
@officer_required
def work(number: str) -> ResponseReturnValue:
    """One application for an officer; a post with decision and reason decides it."""
    row = _found(number)
    if request.method == "GET":
        return page("work.html", _for_officer(row), decisions=permits.DECISIONS, values={})
    form = Form(request.form)
    decision = form.choice("decision", permits.DECISIONS)
    reason = form.text("reason", longest=2000)
    if form.errors:
        facts = _for_officer(row) | {"errors": form.errors}
        return page("work.html", facts, 422, decisions=permits.DECISIONS, values=form.values)
    if not permits.decide(row["number"], decision, reason, cast(str, current_officer())):
        abort(409, "Permohonan ini sudah diputuskan.")
    facts = {"number": row["number"], "status": decision, "colour": permits.COLOURS[decision]}
    return done(url_for("perizinan.work", number=row["number"]), facts)


@routes.get("/petugas/<number>/berkas/<int:document>")
@officer_required
def document(number: str, document: int) -> ResponseReturnValue:
    """One uploaded document, for officers only."""
    stored = {row["id"]: row for row in _found(number)["documents"]}.get(document) or abort(404)
    return uploads.serve(stored["stored_name"], stored["media_type"])
