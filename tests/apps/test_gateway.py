"""The gateway's entrypoint and rendered configuration with a real nginx.

Paths and ports are moved into a test folder, and Docker's name server is played by a small one
that knows some names. Skipped where there is no nginx; tests/e2e runs the real container.
"""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apps.journeys import Browser, File
from tests.apps.rendering import render
from tests.apps.servers import BUNDLES, free_port, wait_until

pytestmark = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")),
    reason="no nginx and openssl (Debian packages nginx-light and openssl)",
)


class NameServer(threading.Thread):
    """Answers A questions for `names` with 127.0.0.1, anything else with "no such name"."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.names: set[str] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def run(self) -> None:
        while True:
            asked, sender = self._socket.recvfrom(512)
            labels, at = [], 12
            while length := asked[at]:
                labels.append(asked[at + 1 : at + 1 + length].decode())
                at += length + 1
            known = ".".join(labels) in self.names
            answer = asked[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1"
            answer += (b"\0\1" if known else b"\0\0") + b"\0\0\0\0" + asked[12 : at + 5]
            if known:
                answer += b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\1"
            self._socket.sendto(answer, sender)


class Echo(http.server.BaseHTTPRequestHandler):
    """Says what reached the app."""

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        size = int(headers.get("content-length", 0))
        self.rfile.read(size)
        body = json.dumps({"path": self.path, "headers": headers, "size": size}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        pass


class Gateway:
    """The gateway's entrypoint with a rendered configuration."""

    def __init__(self, home: Path) -> None:
        self.home, self.http, self.https = home, free_port(), free_port()
        self.app = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        threading.Thread(target=self.app.serve_forever, daemon=True).start()
        self.names = NameServer()
        self.names.start()
        share = home / "share"
        for part in ("conf", "site"):
            shutil.copytree(BUNDLES / "gateway" / part, share, dirs_exist_ok=True)
        for folder in ("config/site", "data", "run"):
            (home / folder).mkdir(parents=True)
        shutil.copy(BUNDLES / "gateway" / "entrypoint.sh", share)
        for path in share.glob("*.conf"):
            path.write_text(self._moved(path.read_text()))
        self._process: subprocess.Popen[bytes] | None = None

    def _moved(self, text: str) -> str:
        for old, new in (
            (" /tmp/", f" {self.home}/run/"),
            ("/usr/local/share/smartcity", f"{self.home}/share"),
            ("/etc/smartcity", f"{self.home}/config"),
            ("/data/", f"{self.home}/data/"),
            ("/dev/stdout", f"{self.home}/access.log"),
            ("listen 8080", f"listen 127.0.0.1:{self.http}"),
            ("listen 8443", f"listen 127.0.0.1:{self.https}"),
            ("resolver 127.0.0.11", f"resolver 127.0.0.1:{self.names.port}"),
        ):
            text = text.replace(old, new)
        return text

    def render(self, **settings: Any) -> None:
        """The configuration for one app called laksa."""
        title = {"id": "LAKSA & <kawan>", "en": "LAKSA complaints"}
        port = self.app.server_address[1]
        route = {"path": "/laksa/", "service": "web", "port": port, "health": "/laksa/healthz"}
        laksa = {"name": "laksa", "version": "1", "title": title, "group": "layanan-publik"}
        apps = [{**laksa, "routes": [route]}]
        settings = {"https_port": self.https, **settings}
        for template, target in (
            ("nginx.conf.j2", "nginx.conf"),
            ("index.html.j2", "site/index.html"),
            ("en.html.j2", "site/en.html"),
        ):
            text = render("gateway", template, settings, apps=apps)
            (self.home / "config" / target).write_text(
                self._moved(text) if target == "nginx.conf" else text
            )

    def start(self) -> None:
        """Starts the entrypoint and waits for the health check."""
        environment = os.environ | {
            "SMARTCITY_SHARE": f"{self.home}/share",
            "SMARTCITY_CONFIG_DIR": f"{self.home}/config",
            "SMARTCITY_DATA": f"{self.home}/data",
            "SMARTCITY_HTTP_PORT": str(self.http),
        }
        if unprivileged := "nobody" if os.geteuid() == 0 else None:
            for path in (self.home, *self.home.rglob("*")):
                shutil.chown(path, unprivileged)
        self._process = subprocess.Popen(
            ["bash", str(self.home / "share" / "entrypoint.sh")], env=environment, user=unprivileged
        )
        check = ["bash", str(BUNDLES / "gateway" / "healthy.sh")]

        def healthy() -> bool:
            assert self._process and self._process.poll() is None
            done = subprocess.run(check, env=environment, stderr=subprocess.DEVNULL, check=False)
            return done.returncode == 0

        wait_until(healthy, "the gateway is healthy", 15)

    def stop(self) -> None:
        """Ends nginx."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)
        self._process = None

    @property
    def browser(self) -> Browser:
        """A visitor over HTTP."""
        return Browser(f"http://127.0.0.1:{self.http}")

    @property
    def secure(self) -> Browser:
        """A visitor over HTTPS."""
        return Browser(f"https://127.0.0.1:{self.https}")


@pytest.fixture
def gateway(home: Path) -> Iterator[Gateway]:
    server = Gateway(Path(tempfile.mkdtemp(dir=home)))
    yield server
    server.stop()
    server.app.shutdown()


def test_without_a_rendered_configuration_the_gateway_still_answers(gateway: Gateway) -> None:
    gateway.start()
    assert "belum ada layanan" in gateway.browser.get("/").text
    assert gateway.browser.get("/healthz").json() == {"app": "gateway", "status": "ok"}


def test_the_start_page_lists_the_apps_in_two_languages(gateway: Gateway) -> None:
    gateway.render()
    gateway.start()
    page = gateway.browser.get("/")
    assert 'href="/laksa/"' in page.text and "LAKSA &amp; &lt;kawan&gt;" in page.text
    assert "Layanan publik" in page.text and "Kabupaten Contoh" in page.text
    english = gateway.browser.get("/en")
    assert english.headers["content-type"] == "text/html; charset=utf-8"
    assert "Public services" in english.text and "LAKSA complaints" in english.text
    missing = gateway.browser.get("/tidak-ada")
    assert missing.status == 404 and "Halaman tidak ada" in missing.text
    assert page.headers["x-content-type-options"] == "nosniff"


def test_an_app_may_come_and_go_and_others_are_still_served(gateway: Gateway) -> None:
    gateway.render()
    gateway.start()
    down = gateway.browser.get("/laksa/lapor")
    assert down.status == 502 and "sedang tidak tersedia" in down.text
    assert gateway.browser.get("/").status == 200
    gateway.names.names.add("laksa")
    wait_until(lambda: gateway.browser.get("/laksa/lapor").status == 200, "the app is found", 10)


def test_apps_learn_the_visitors_address_and_nothing_that_he_invents(gateway: Gateway) -> None:
    gateway.names.names.add("laksa")
    gateway.render()
    gateway.start()
    invented = {
        "X-Forwarded-For": "203.0.113.1",
        "X-Forwarded-Proto": "https",
        "X-Request-ID": "palsu-palsu",
        "X-Forwarded-Host": "jahat.invalid",
    }
    answer = gateway.browser.post("/laksa/lapor?a=1%20b", {"x": "1"}, headers=invented).json()
    assert answer["path"] == "/laksa/lapor?a=1%20b"
    assert answer["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert answer["headers"]["x-forwarded-proto"] == "http"
    assert answer["headers"]["x-forwarded-host"] == f"127.0.0.1:{gateway.http}"
    assert len(answer["headers"]["x-request-id"]) == 32
    moved = gateway.browser.get("/laksa")
    assert (moved.status, moved.headers["location"]) == (301, "/laksa/")
    log = [json.loads(line) for line in (gateway.home / "access.log").read_text().splitlines()]
    mine = next(line for line in log if line["path"] == "/laksa/lapor")
    assert mine["request_id"] == answer["headers"]["x-request-id"] and mine["status"] == 200


def test_a_body_over_the_limit_is_refused_before_the_app(gateway: Gateway) -> None:
    gateway.names.names.add("laksa")
    gateway.render(max_body_mib=1)
    gateway.start()
    fits = [("photo", File("a", b"x" * 1_000_000))]
    assert gateway.browser.post("/laksa/lapor", {}, fits).json()["size"] > 1_000_000
    large = [("photo", File("a", b"x" * 1_100_000))]
    try:
        answer = gateway.browser.post("/laksa/lapor", {}, large)
    except OSError:
        return  # nginx closed the connection before it took all of it
    assert answer.status == 413 and "terlalu besar" in answer.text


def test_with_tls_http_leads_to_https_except_health(gateway: Gateway) -> None:
    gateway.names.names.add("laksa")
    gateway.render(tls="self-signed")
    gateway.start()
    moved = gateway.browser.get("/laksa/lapor?x=1")
    assert moved.status == 301
    assert moved.headers["location"] == f"https://127.0.0.1:{gateway.https}/laksa/lapor?x=1"
    assert gateway.browser.get("/healthz").status == 200
    assert gateway.browser.get("/laksa/healthz").json()["path"] == "/laksa/healthz"
    seen = gateway.secure.get("/laksa/lapor").json()["headers"]
    assert seen["x-forwarded-proto"] == "https"
    assert "Layanan publik" in gateway.secure.get("/").text


def test_a_certificate_is_made_once_and_an_operators_own_is_left_alone(gateway: Gateway) -> None:
    gateway.render(tls="self-signed")
    tls = gateway.home / "data" / "tls"
    gateway.start()
    first = (tls / "tls.crt").read_bytes()
    text = subprocess.run(
        ["openssl", "x509", "-in", str(tls / "tls.crt"), "-noout", "-text"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "DNS:contoh.invalid" in text
    gateway.stop()
    gateway.start()
    assert (tls / "tls.crt").read_bytes() == first
    gateway.stop()

    (tls / "self-signed").unlink()
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sendiri"]
    files = ["-keyout", str(tls / "tls.key"), "-out", str(tls / "tls.crt")]
    subprocess.run([*request, *files], check=True, capture_output=True)
    own = (tls / "tls.crt").read_bytes()
    gateway.start()
    assert (tls / "tls.crt").read_bytes() == own
