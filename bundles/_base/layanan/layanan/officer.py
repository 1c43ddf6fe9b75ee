"""The officers' login, and the CSRF token of everything that an officer posts.

One account an app: the name is a setting, the password a secret made on the server. Citizens'
forms need no token, because a stranger who forges one gains nothing that he has not already.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import Blueprint, abort, current_app, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from layanan.answers import page, wants_json
from layanan.config import Config

MAX_FAILURES, WINDOW_S = 10, 300.0
routes = Blueprint("officer", __name__)
View = TypeVar("View", bound=Callable[..., Any])
_failures: dict[str, deque[float]] = {}


def _config() -> Config:
    return cast(Config, current_app.extensions["layanan"])


def _proof(password: str) -> str:
    """Ties a session to the password: a new password ends all sessions."""
    key = str(current_app.secret_key).encode()
    return hmac.new(key, password.encode(), hashlib.sha256).hexdigest()[:32]


def current_officer() -> str | None:
    """The name of the officer who is logged in, or None."""
    password = _config().secret("officer_password")
    if not password or not hmac.compare_digest(session.get("proof", ""), _proof(password)):
        return None
    name: str | None = session.get("officer")
    return name


def csrf_token() -> str:
    """The token that an officer's forms carry in the field `csrf_token`."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    token: str = session["csrf"]
    return token


def officer_required(view: View) -> View:
    """Lets only officers in, and only posts that carry their token."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not current_officer():
            if wants_json() or request.method != "GET":
                abort(401)
            return redirect(url_for("officer.login", next=request.path))
        if request.method == "POST":
            sent = request.form.get("csrf_token", "")
            if not hmac.compare_digest(sent.encode(), csrf_token().encode()):
                abort(403, "Formulir sudah kedaluwarsa; muat ulang halaman lalu kirim lagi.")
        return view(*args, **kwargs)

    return cast(View, guarded)


def _too_many(address: str) -> bool:
    times = _failures.get(address, deque())
    while times and times[0] < time.monotonic() - WINDOW_S:
        times.popleft()
    if not times:
        _failures.pop(address, None)
    return len(times) >= MAX_FAILURES


def _own_path(path: str) -> str:
    """Where to go after the login: a path of this app, never another site."""
    prefix = _config().service.prefix + "/"
    return path if path.startswith(prefix) and "\\" not in path else prefix + "petugas"


@routes.route("/masuk", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    """The login form; fields `username` and `password`."""
    target = _own_path(request.values.get("next", ""))
    if request.method == "GET":
        return page("layanan/login.html", {}, next=target)
    address = request.remote_addr or ""
    if _too_many(address):
        abort(429, "Terlalu banyak percobaan masuk; coba lagi beberapa menit lagi.")
    password = _config().secret("officer_password")
    user = str(_config().settings["officer_user"])
    right = (
        bool(password)
        and hmac.compare_digest(request.form.get("username", "").encode(), user.encode())
        and hmac.compare_digest(
            request.form.get("password", "").encode(), (password or "").encode()
        )
    )
    if not right:
        _failures.setdefault(address, deque()).append(time.monotonic())
        current_app.logger.warning("login refused")
        errors = {"password": "Nama pengguna atau kata sandi salah."}
        return page("layanan/login.html", {"errors": errors}, 401, next=target)
    session.clear()
    session.permanent = True
    session["officer"], session["proof"] = user, _proof(password or "")
    csrf_token()
    return redirect(target, 303)


@routes.post("/keluar")
@officer_required
def logout() -> ResponseReturnValue:
    """Ends the session."""
    session.clear()
    return redirect(url_for("officer.login"), 303)
