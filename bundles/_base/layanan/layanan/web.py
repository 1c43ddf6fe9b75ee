"""The Flask application of a service: paths, sessions, request ids, errors, health."""

from __future__ import annotations

import logging
import re
import time
import uuid
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import jinja2
import psycopg
from flask import Blueprint, Flask, Response, abort, g, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from layanan import clock, config, db, migrations, officer
from layanan.answers import JsonProvider, json_answer, page
from layanan.config import Service

_HERE = Path(__file__).parent
_REQUEST_ID = re.compile(r"^[A-Za-z0-9-]{8,64}$")
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_SENTENCES = {
    401: "Halaman ini untuk petugas; silakan masuk dahulu.",
    403: "Permintaan ini tidak diizinkan.",
    404: "Yang dicari tidak ada.",
    405: "Cara meminta halaman ini tidak tepat.",
    413: "Kiriman terlalu besar.",
    429: "Terlalu banyak permintaan.",
    500: "Terjadi kesalahan pada aplikasi; nomor permintaan di bawah ada di log.",
    503: "Layanan sedang tidak tersedia; coba lagi sebentar lagi.",
}
_log = logging.getLogger("layanan.request")


class _Sessions(SecureCookieSessionInterface):
    """A session cookie that is `Secure` whenever the visitor came over HTTPS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def create_app(service: Service, *blueprints: Blueprint, files_per_form: int = 1) -> Flask:
    """The WSGI application of `service` with its routes under `/<name>/`.

    Raises RuntimeError when the secret `session_key` is not mounted.
    """
    settings = config.load(service)
    key = settings.secret("session_key")
    if not key:
        raise RuntimeError(f"the secret session_key is missing in {settings.secrets}")
    app = Flask(
        service.name,
        root_path=str(service.here),
        static_folder=str(_HERE / "static"),
        static_url_path=f"{service.prefix}/static",
    )
    app.jinja_loader = jinja2.FileSystemLoader([service.here / "pages", _HERE / "pages"])
    app.extensions["layanan"] = settings
    app.json = JsonProvider(app)
    app.session_interface = _Sessions()
    app.config.update(
        SECRET_KEY=key,
        SESSION_COOKIE_NAME=f"{service.name}_session",
        SESSION_COOKIE_PATH=f"{service.prefix}/",
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=8),
        MAX_CONTENT_LENGTH=(int(settings.settings["max_upload_mib"]) * files_per_form + 1) << 20,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.jinja_env.filters["waktu"] = lambda moment: clock.written(moment, settings.timezone)
    app.jinja_env.globals.update(
        config_of_app=settings,
        zip=zip,
        service=service,
        csrf_token=officer.csrf_token,
        current_officer=officer.current_officer,
    )
    for blueprint in (officer.routes, *blueprints):
        app.register_blueprint(blueprint, url_prefix=service.prefix)
    _add_health(app, settings)
    _add_request_rules(app)
    _add_errors(app)
    return app


def _add_health(app: Flask, settings: config.Config) -> None:
    service = settings.service

    @app.get(f"{service.prefix}/healthz")
    def healthz() -> Response:
        """200 when the database answers and has every migration of this code, else 503."""
        facts: dict[str, object] = {"app": service.name, "version": service.version}
        try:
            with db.connect(settings) as connection:
                missing = migrations.pending(connection, service.migrations)
        except psycopg.Error:
            facts |= {"status": "unavailable", "reason": "database"}
        else:
            facts["status"] = "unavailable" if missing else "ok"
            if missing:
                facts |= {"reason": "migrations", "pending": [path.name for path in missing]}
        return json_answer(facts, 200 if facts["status"] == "ok" else 503)


def _add_request_rules(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        sent = request.headers.get("X-Request-ID", "")
        g.request_id = sent if _REQUEST_ID.match(sent) else uuid.uuid4().hex
        g.began = time.monotonic()
        if request.method not in ("GET", "HEAD", "OPTIONS") and _from_another_site():
            abort(403)

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        if not request.path.startswith(str(app.static_url_path)):
            response.headers.setdefault("Cache-Control", "no-store")
        if not request.path.endswith("/healthz") or response.status_code != 200:
            _log.info(
                "request",
                extra={
                    "method": request.method,
                    "path": request.path,
                    "status": response.status_code,
                    "ms": round((time.monotonic() - g.began) * 1000, 1),
                },
            )
        return response

    app.teardown_appcontext(db.close_request_connection)


def _from_another_site() -> bool:
    """Whether a browser says that another site's page sent this request."""
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        return True
    origin = request.headers.get("Origin")
    return bool(origin) and urlsplit(origin or "").netloc != request.host


def _add_errors(app: Flask) -> None:
    def answer(status: int, sentence: str) -> Response:
        facts = {"error": sentence, "status": status, "request_id": g.get("request_id", "")}
        return page("layanan/error.html", facts, status)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        status = error.code or 500
        own = type(error).description
        said = error.description if error.description != own else None
        return answer(status, said or _SENTENCES.get(status, error.name))

    @app.errorhandler(psycopg.OperationalError)
    def without_database(error: psycopg.OperationalError) -> Response:
        app.logger.error("database unavailable", extra={"reason": type(error).__name__})
        response = answer(503, _SENTENCES[503])
        response.headers["Retry-After"] = "5"
        return response

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        app.logger.exception("unexpected error", exc_info=error)
        return answer(500, _SENTENCES[500])
