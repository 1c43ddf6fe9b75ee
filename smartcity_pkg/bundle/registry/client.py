"""Requests to one repository of a registry: logging in, trying again, errors in our words.

What is asked is for `push` and `pull`. Sources: distribution-spec 1.1; "Token Authentication
Specification" of the Distribution project; RFC 9110 for Retry-After and WWW-Authenticate.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import urllib3

from smartcity_pkg.bundle import strictjson
from smartcity_pkg.bundle.registry.address import Address, Transport
from smartcity_pkg.bundle.registry.connection import Answer, Connection, LostError
from smartcity_pkg.bundle.registry.credentials import (
    PASSWORD_VARIABLE,
    USER_VARIABLE,
    Credentials,
)
from smartcity_pkg.core.errors import (
    InterruptedByUserError,
    LoginError,
    RegistryError,
    UnreachableError,
)
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, no_progress

T = TypeVar("T")
_PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')
_MAX_SAID = 300
_SERVER_ERROR = 500
_TOO_MANY = 429


@dataclass(frozen=True)
class Retry:
    """How often a request is tried, and how long to wait after the first failure, in seconds.

    Each wait is twice the one before, up to `longest_s`.
    """

    tries: int = 6
    pause_s: float = 0.5
    longest_s: float = 8.0


class Pace(Protocol):
    """When and how fast bytes may leave; `stop` ends its waits with InterruptedByUserError."""

    stop: threading.Event

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """`chunks`, each as soon as it may leave."""

    def await_window(self, name: str, progress: Progress) -> None:
        """Wait until bytes may leave to `name`."""


class Repository:
    """One repository; may be used from several threads. `stop` ends waiting and long transfers.

    What is sent keeps to `pace`, which is for this repository alone; what is fetched does not.
    """

    def __init__(
        self,
        address: Address,
        transport: Transport,
        credentials: Credentials | None,
        *,
        writes: bool = False,
        retry: Retry | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.address = address
        self.stop = pace.stop if pace else threading.Event()
        self._pace = pace
        self._turn = threading.Lock()
        self._connection = Connection(address, transport, pace.through if pace else iter)
        self._credentials = credentials
        self._retry = retry or Retry()
        actions = "pull,push" if writes else "pull"
        self.scopes = {f"repository:{address.name}:{actions}"}
        self._authorization: str | None = None
        self._login = threading.Lock()

    @property
    def is_plain(self) -> bool:
        """Whether what is sent can be read on the way."""
        return self._connection.scheme == "http"

    def url(self, kind: str, reference: str, **query: str) -> str:
        """The URL of a manifest, a blob or the uploads of this repository."""
        text = f"{self._connection.base}/v2/{self.address.name}/{kind}/{reference}"
        return f"{text}?{urlencode(query)}" if query else text

    def located(self, answer: Answer, **query: str) -> str:
        """Where an answer says to go on, with `query` added."""
        url = self._connection.located(answer)
        if not query:
            return url
        return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"

    def ask(
        self,
        method: str,
        url: str,
        expected: Collection[int],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """The answer to a request that may be sent again; its status is one of `expected`."""
        return self.patiently(lambda: self.once(method, url, expected, headers=headers, body=body))

    def once(
        self,
        method: str,
        url: str,
        expected: Collection[int],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """As `ask`, but a failure that may pass is raised as LostError."""
        given = dict(headers or {})
        for last in (False, True):
            used = self._authorization
            if used:
                given["Authorization"] = used
            answer = self._connection.send(method, url, given, body)
            if answer.status != 401 or last:
                break
            self._log_in(answer, used)
        return self._judged(answer, expected)

    def open(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """An answer (200 or 206) to read; LostError where trying again may help."""
        given = dict(headers)
        for last in (False, True):
            used = self._authorization
            if used:
                given["Authorization"] = used
            response, at = self._connection.open("GET", url, given)
            if response.status in (200, 206):
                return response
            body = response.read(_MAX_SAID * 10)
            response.close()
            lower = {name.lower(): value for name, value in response.headers.items()}
            answer = Answer(response.status, lower, body, at)
            if response.status != 401 or last:
                break
            self._log_in(answer, used)
        self._judged(answer, ())
        raise AssertionError

    def patiently(self, work: Callable[[], T]) -> T:
        """Do `work` again after each LostError; UnreachableError after the last."""
        pause = self._retry.pause_s
        for left in range(self._retry.tries - 1, -1, -1):
            try:
                return work()
            except LostError as error:
                if not left:
                    raise UnreachableError(
                        _("the registry {host} does not answer: {why}").format(
                            host=self.address.host, why=error
                        ),
                        _("Check the address and the network, then run the command again."),
                    ) from error
                self.wait(max(pause, min(error.pause_s, 60)))
                pause = min(pause * 2, self._retry.longest_s)
        raise AssertionError

    def wait(self, seconds: float) -> None:
        """Sleep, unless told to stop."""
        if self.stop.wait(seconds):
            raise InterruptedByUserError(_("interrupted"))

    def await_turn(self, progress: Progress = no_progress) -> None:
        """Wait until more may be sent, unless told to stop."""
        self.wait(0)
        if self._pace:
            with self._turn:  # one says until when, and the others wait for it
                self._pace.await_window(self.address.host, progress)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    # -- answers ------------------------------------------------------------------------------

    def _judged(self, answer: Answer, expected: Collection[int]) -> Answer:
        if answer.status in expected:
            return answer
        if answer.status >= _SERVER_ERROR or answer.status == _TOO_MANY:
            after = answer.headers.get("retry-after", "")
            pause = float(after) if after.isdecimal() and len(after) < 6 else 0
            raise LostError(_("status {status}").format(status=answer.status), pause)
        if answer.status in (401, 403):
            raise self._refused(_said(answer))
        raise RegistryError(
            _("the registry {host} refuses with status {status}: {said}").format(
                host=self.address.host, status=answer.status, said=_said(answer) or "-"
            ),
            _("Check that {address} is the right place.").format(address=self.address),
        )

    def _refused(self, said: str) -> LoginError:
        return LoginError(
            _("the registry {host} lets {who} not do this in {name} ({said})").format(
                host=self.address.host,
                who=_("these credentials") if self._credentials else _("an unnamed user"),
                name=self.address.name,
                said=said or "-",
            ),
            _("Log in with “docker login {host}”, or set {user} and {password}.").format(
                host=self.address.host, user=USER_VARIABLE, password=PASSWORD_VARIABLE
            ),
        )

    # -- logging in ---------------------------------------------------------------------------

    def _log_in(self, answer: Answer, used: str | None) -> None:
        """Get what the registry asks for, once for all threads; a token may also have expired."""
        with self._login:
            if self._authorization != used:
                return  # another thread did
            challenge = answer.headers.get("www-authenticate", "")
            scheme = challenge.partition(" ")[0].lower()
            if scheme == "basic" and self._credentials and used is None:
                self._authorization = self._credentials.basic
            elif scheme == "bearer":
                self._authorization = f"Bearer {self._token(challenge)}"
            else:
                raise self._refused(_said(answer))

    def _token(self, challenge: str) -> str:
        parameters = dict(_PARAMETER.findall(challenge))
        realm = parameters.get("realm", "")
        if not realm.startswith("https://") and not (
            self.is_plain and urlsplit(realm).hostname == urlsplit(self._connection.base).hostname
        ):
            raise RegistryError(
                _("the registry {host} wants us to log in at a place that is not safe").format(
                    host=self.address.host
                ),
                _("Only HTTPS is used to log in. Ask whoever runs the registry."),
            )
        query = [("scope", scope) for scope in sorted(self.scopes)]
        if service := parameters.get("service"):
            query.insert(0, ("service", service))
        headers = {"Authorization": self._credentials.basic} if self._credentials else {}
        url = f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(query)}"
        answer = self._connection.send_elsewhere(url, headers)
        if answer.status in (401, 403):
            raise self._refused(_said(answer))
        self._judged(answer, (200,))
        try:
            said = strictjson.loads(answer.body)
            token = said.get("token") or said.get("access_token")
        except (strictjson.UnsafeJsonError, AttributeError):
            token = None
        if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
            raise RegistryError(
                _("the registry {host} gave no token to log in with").format(
                    host=self.address.host
                ),
                _("Check that the address is that of a registry."),
            )
        return token


def _said(answer: Answer) -> str:
    """The registry's own codes and words, shortened and harmless to print."""
    try:
        errors = strictjson.loads(answer.body)["errors"]
        text = "; ".join(f"{e['code']}: {e.get('message', '')}" for e in errors)
    except (strictjson.UnsafeJsonError, KeyError, TypeError, AttributeError):
        return ""
    return "".join(c for c in text if c.isprintable())[:_MAX_SAID]
