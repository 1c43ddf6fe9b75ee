"""HTTP to one registry: what is trusted, proxies, redirects, one answer a request; no retries.

urllib3 rather than requests: it takes the machine's own authorities, and sends no credentials that
it was not given (requests reads ~/.netrc). When to try again is for `client`.
"""

from __future__ import annotations

import ssl
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import unquote, urljoin, urlsplit

import urllib3

from smartcity_pkg.bundle.registry.address import Address, Transport
from smartcity_pkg.core.errors import RegistryError, UsageError
from smartcity_pkg.core.i18n import _

MAX_DOCUMENT_BYTES = 16 << 20
_MAX_TOKEN_BYTES = 1 << 20
_TIMEOUT = urllib3.Timeout(connect=10, read=30)
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)


class LostError(Exception):
    """The link or the registry failed in a way that may pass; `str` says how.

    `pause_s` is how long the registry asks us to wait, where it does.
    """

    def __init__(self, why: str, pause_s: float = 0) -> None:
        super().__init__(why)
        self.pause_s = pause_s


Through = Callable[[Iterable[bytes]], Iterator[bytes]]
"""Lets the bytes of a request leave as fast as they may."""


@dataclass(frozen=True)
class Answer:
    """A status and the headers, with names in lower case; `body` unless it is streamed."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Connection:
    """Requests to one registry, from any thread."""

    def __init__(self, address: Address, transport: Transport, through: Through = iter) -> None:
        self._through = through
        self.scheme = transport.scheme(address)
        self.base = f"{self.scheme}://{address.host}"
        self._pool = _pool(self.base, transport)
        # Blobs are what they are: no layer in between may compress them.
        named = f"smartcity/{version('smartcity')}"
        self._headers = {"User-Agent": named, "Accept-Encoding": "identity"}

    def is_ours(self, url: str) -> bool:
        """Whether `url` is the registry itself: only there do credentials go."""
        return url.startswith(self.base + "/")

    def located(self, answer: Answer) -> str:
        """The absolute URL of an answer's Location."""
        url = urljoin(answer.url, answer.headers.get("location", ""))
        # A registry behind a proxy that ends TLS may not know that it is spoken to by HTTPS.
        plain = "http:" + self.base.removeprefix("https:")
        if self.scheme == "https" and url.startswith(plain + "/"):
            return "https:" + url.removeprefix("http:")
        return url

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """One request, its answer read whole. Raises LostError where trying again may help."""
        response, url = self.open(method, url, headers, body)
        try:
            data = response.read(MAX_DOCUMENT_BYTES + 1)
        except urllib3.exceptions.HTTPError as error:
            raise LostError(_why(error)) from error
        finally:
            response.release_conn()
        if len(data) > MAX_DOCUMENT_BYTES:
            response.close()
            raise RegistryError(
                _("the registry's answer is larger than any document may be"),
                _("Check that the address is that of a registry."),
            )
        return Answer(response.status, _lower(response), data, url)

    def send_elsewhere(self, url: str, headers: Mapping[str, str]) -> Answer:
        """GET at a place where logging in happens: there `headers` go, whoever runs it."""
        try:
            response = self._pool.urlopen(
                "GET",
                url,
                headers={**self._headers, **headers},
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=_TIMEOUT,
            )
            data = response.read(_MAX_TOKEN_BYTES)
        except urllib3.exceptions.HTTPError as error:
            raise LostError(_why(error)) from error
        response.close()
        return Answer(response.status, _lower(response), data, url)

    def open(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[urllib3.BaseHTTPResponse, str]:
        """One request whose answer is read by the caller, and the URL that answered."""
        for _count in range(_MOST_REDIRECTS):
            allowed = headers if self.is_ours(url) else _without_authorization(headers)
            # Without the length, a body in pieces would have none, which some registries refuse.
            length = {} if body is None else {"Content-Length": str(len(body))}
            try:
                response = self._pool.urlopen(
                    method,
                    url,
                    body=self._through([body]) if body else body,
                    headers={**self._headers, **allowed, **length},
                    redirect=False,
                    retries=False,
                    preload_content=False,
                    timeout=_TIMEOUT,
                )
            except urllib3.exceptions.SSLError as error:
                raise RegistryError(
                    _("the registry at {base} cannot prove who it is: {why}").format(
                        base=urlsplit(url).netloc, why=_why(error)
                    ),
                    _("Give the authority that signed its certificate with --ca."),
                ) from error
            except urllib3.exceptions.LocationParseError as error:
                raise _bad_redirect() from error
            except urllib3.exceptions.HTTPError as error:
                raise LostError(_why(error)) from error
            if response.status not in _REDIRECTS or method not in ("GET", "HEAD"):
                return response, url
            answer = Answer(response.status, _lower(response), b"", url)
            response.drain_conn()
            response.release_conn()
            url = self.located(answer)
            if urlsplit(url).scheme not in ("https", self.scheme):
                raise _bad_redirect()
        raise _bad_redirect()

    def close(self) -> None:
        """Give the sockets back."""
        self._pool.clear()


def _pool(base: str, transport: Transport) -> urllib3.PoolManager:
    context = None
    if base.startswith("https:"):
        try:
            context = ssl.create_default_context(cafile=transport.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                _("{file} holds no certificates of authorities").format(file=transport.ca_file),
                _("--ca wants a file in PEM: “-----BEGIN CERTIFICATE-----”"),
            ) from error
    proxy = urllib.request.getproxies_environment().get(base.partition(":")[0])
    host = urlsplit(base).netloc
    if proxy and not urllib.request.proxy_bypass(host):
        named = urlsplit(proxy)
        pair = (
            f"{unquote(named.username)}:{unquote(named.password or '')}" if named.username else ""
        )
        login = urllib3.make_headers(proxy_basic_auth=pair) if pair else None
        return urllib3.ProxyManager(proxy, proxy_headers=login, ssl_context=context, maxsize=8)
    return urllib3.PoolManager(ssl_context=context, maxsize=8)


def _without_authorization(headers: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k != "Authorization"}


def _lower(response: urllib3.BaseHTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _why(error: Exception) -> str:
    """What happened, without the address of an object or of a signed URL."""
    cause = error.__cause__ or error.__context__
    return f"{type(error).__name__}: {cause}" if cause is not None else type(error).__name__


def _bad_redirect() -> RegistryError:
    return RegistryError(
        _("the registry sends us on to a place that is not safe, or in circles"),
        _("Ask whoever runs it; HTTPS must stay HTTPS."),
    )
