"""A real registry (Debian's docker-registry 2.8) on a loopback port, with the logins that exist.

Beside it: a server that gives tokens as registries' own do, and a wire that breaks on purpose.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import bcrypt
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

USER, PASSWORD = "kominfo", "rahasia-sekali"
ISSUER, SERVICE = "token-server", "registry"


def need_registry() -> None:
    """Skip without Debian's docker-registry; in CI that is a failure."""
    if shutil.which("docker-registry") is None:
        if os.environ.get("SMARTCITY_CI"):
            pytest.fail("needs docker-registry")
        pytest.skip("needs docker-registry")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@dataclass
class PrivateRegistry:
    """A running registry; `host` is what stands before the name in an address."""

    host: str
    folder: Path
    process: subprocess.Popen[bytes]
    port: int
    config: Path

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text(errors="replace")

    def requests(self, method: str, part: str) -> int:
        """How many requests it answered so far."""
        lines = [x for x in self.log.splitlines() if "response completed" in x]
        return sum(f"http.request.method={method} " in x and part in x for x in lines)

    def blob(self, blob_digest: str) -> Path:
        """The file that holds a blob."""
        name = blob_digest.removeprefix("sha256:")
        return self.folder / f"data/docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        self.process = _started(self.folder, self.config)
        _wait(self.port)


def _started(folder: Path, config: Path) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=log, stderr=log, cwd=folder
        )


def _wait(port: int, bind: str = "127.0.0.1") -> None:
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as link:
            if link.connect_ex((bind, port)) == 0:
                return
        assert time.monotonic() < deadline, "the registry does not start"
        time.sleep(0.02)


@contextmanager
def private_registry(
    folder: Path,
    *,
    bind: str = "127.0.0.1",
    password: bool = False,
    tls: tuple[Path, Path] | None = None,
    tokens: TokenServer | None = None,
) -> Iterator[PrivateRegistry]:
    """A registry for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"{bind}:{port}", "secret": "same after a restart"},
    }
    if tls:
        config["http"]["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
    if password:
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
        config["auth"] = {"htpasswd": {"realm": "uji", "path": str(folder / "htpasswd")}}
    if tokens:
        config["auth"] = {
            "token": {
                "realm": tokens.realm,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(tokens.certificate),
            }
        }
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config))
    made = PrivateRegistry(f"{bind}:{port}", folder, _started(folder, path), port, path)
    try:
        _wait(port, bind)
        yield made
    finally:
        made.stop()


def get(url: str) -> int:
    """The status of a plain GET."""
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


# -- tokens -----------------------------------------------------------------------------------


@dataclass
class TokenServer:
    """Gives JSON web tokens to those who know USER and PASSWORD; pulling needs no name."""

    realm: str
    certificate: Path
    scopes: list[list[str]] = field(default_factory=list)
    lifetime_s: int = 300


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _token(server: TokenServer, key: Path, scopes: Sequence[str], *, named: bool) -> str:
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    der = x509.load_pem_x509_certificate(server.certificate.read_bytes()).public_bytes(
        serialization.Encoding.DER
    )
    header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
    access = []
    for scope in scopes:
        kind, name, actions = scope.split(":")
        allowed = [a for a in actions.split(",") if named or a == "pull"]
        access.append({"type": kind, "name": name, "actions": allowed})
    now = int(time.time())
    claims = {
        "iss": ISSUER, "sub": USER, "aud": SERVICE, "jti": str(now), "access": access,
        "iat": now - 5, "nbf": now - 5, "exp": now + server.lifetime_s,
    }  # fmt: skip
    signed = ".".join(_b64(json.dumps(part).encode()) for part in (header, claims))
    r, s = decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


@contextmanager
def token_server(folder: Path) -> Iterator[TokenServer]:
    """A token server on a loopback port."""
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = certificate(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            scopes = parse_qs(urlsplit(self.path).query).get("scope", [])
            made.scopes.append(scopes)
            given = self.headers.get("Authorization")
            right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            status = 200 if given in (None, right) else 401
            body = b"{}"
            if status == 200:
                token = _token(made, key, scopes, named=given is not None)
                body = json.dumps({"token": token}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = TokenServer(f"http://127.0.0.1:{server.server_port}/token", cert)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


# -- uploads by the specification -------------------------------------------------------------


@contextmanager
def remembering_registry() -> Iterator[tuple[int, dict[str, bytes]]]:
    """The uploads of distribution-spec 1.1 and nothing else; a cut chunk keeps what came of it.

    Gives the port, and the blobs that arrived.
    """
    stored: dict[str, bytes] = {}
    arriving: dict[str, bytearray] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, part: str = "", **headers: str) -> None:
            self.send_response(status)
            if part in arriving:
                headers |= {
                    "Location": f"/v2/a/b/blobs/uploads/{part}",
                    "Range": f"0-{max(len(arriving[part]) - 1, 0)}",
                }
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def do_POST(self) -> None:
            part = f"u{len(arriving)}"
            arriving[part] = bytearray()
            self.answer(202, part)

        def do_GET(self) -> None:
            self.answer(204, self.path.rsplit("/", 1)[1])

        def do_HEAD(self) -> None:
            self.answer(200 if self.path.rsplit("/", 1)[1] in stored else 404)

        def take(self, part: str) -> None:
            left = int(self.headers["Content-Length"])
            while left and (data := self.rfile.read1(min(left, 65536))):
                arriving[part] += data
                left -= len(data)
            if left:
                raise ConnectionError

        def do_PATCH(self) -> None:
            part = self.path.rsplit("/", 1)[1]
            begin = int(self.headers["Content-Range"].partition("-")[0])
            if begin != len(arriving[part]):
                self.answer(416, part)
                return
            self.take(part)
            self.answer(202, part)

        def do_PUT(self) -> None:
            parts = urlsplit(self.path)
            part, [of] = parts.path.rsplit("/", 1)[1], parse_qs(parts.query)["digest"]
            self.take(part)
            right = of == f"sha256:{hashlib.sha256(arriving[part]).hexdigest()}"
            if right:
                stored[of] = bytes(arriving[part])
            self.answer(201 if right else 400)

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_arguments: object) -> None:
            """Connections are cut on purpose."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, stored
    finally:
        server.shutdown()
        server.server_close()


# -- a wire that breaks ----------------------------------------------------------------------


class BreakingWire(socketserver.ThreadingTCPServer):
    """Passes bytes on to `port`; each of `cuts` ends one connection after so many bytes.

    Bytes of both directions count. When the cuts are used up, nothing breaks any more.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, cuts: Sequence[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Pass)
        self.port, self.cuts, self.lock = port, list(cuts), threading.Lock()
        self.passed = self.total = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> BreakingWire:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self.server_close()

    def spend(self, size: int) -> bool:
        """Count bytes; whether the connection that carries them ends now."""
        with self.lock:
            self.passed += size
            self.total += size
            if self.cuts and self.passed >= self.cuts[0]:
                self.cuts.pop(0)
                self.passed = 0
                return True
            return False


class _Pass(socketserver.BaseRequestHandler):
    server: BreakingWire

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.port)) as target:
            back = threading.Thread(target=self._pass, args=(target, self.request), daemon=True)
            back.start()
            self._pass(self.request, target)
            back.join()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                if self.server.spend(len(data)):
                    break
        except OSError:
            pass
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
