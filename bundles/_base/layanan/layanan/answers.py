"""The answer to a request: a page for people, the same facts as JSON for other systems."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from flask import Response, current_app, make_response, redirect, render_template, request, session
from flask.json.provider import DefaultJSONProvider

PAGE_SIZE = 50


class JsonProvider(DefaultJSONProvider):
    """Dates and times in ISO 8601."""

    ensure_ascii = False
    sort_keys = False

    @staticmethod
    def default(value: Any) -> Any:
        """What the standard encoder does not know."""
        if isinstance(value, (datetime, date)):
            return value.isoformat()
        return DefaultJSONProvider.default(value)


def wants_json() -> bool:
    """Whether the asker prefers JSON: `?format=json`, or an Accept header that says so."""
    if request.args.get("format") == "json":
        return True
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json"


def json_answer(facts: Mapping[str, Any], status: int) -> Response:
    """`facts` as JSON with a status."""
    return make_response(current_app.json.response(facts), status)


def page(template: str, facts: Mapping[str, Any], status: int = 200, **extra: Any) -> Response:
    """`facts` as JSON or in a page; `extra` only matters to the page."""
    if wants_json():
        answer = dict(facts)
        if "csrf" in session:
            answer["csrf_token"] = session["csrf"]
        return json_answer(answer, status)
    return make_response(render_template(template, **{"errors": {}, **facts, **extra}), status)


def done(location: str, facts: Mapping[str, Any], status: int = 200) -> Response:
    """After a post: JSON with `url`, or a redirect there so that a reload posts nothing again."""
    if not wants_json():
        return make_response(redirect(location, 303))
    return json_answer({**facts, "url": location}, status)


def page_number() -> int:
    """Which page of a list is asked for with `?hal=`, from 1."""
    return max(1, min(request.args.get("hal", 1, type=int), 10_000))
