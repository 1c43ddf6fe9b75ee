"""Starts the catalogue's programs as processes: PostgreSQL by its own entrypoint, apps by gunicorn.

Nothing is simulated; only paths and ports are moved, with the environment variables that the
programs have for it. Containers are the subject of tests/e2e.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
LAYANAN = BUNDLES / "_base" / "layanan"
OFFICER_PASSWORD = "sandi-petugas-untuk-tes"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(check: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
    """Polls `check`; AssertionError with `what` after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
        time.sleep(0.05)


def postgres_bin() -> Path | None:
    """The newest PostgreSQL of this machine, or None."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(found, key=lambda p: int(p.parts[-3]), default=None)
    return newest.parent if newest else None


class Postgres:
    """The postgres app's entrypoint with a data folder of its own."""

    def __init__(self, home: Path, bin_dir: Path, apps: list[str]) -> None:
        self.home, self.port = home, free_port()
        self.log_path = home / "log"
        self._process: subprocess.Popen[bytes] | None = None
        share = home / "share"
        shutil.copytree(BUNDLES / "postgres", share)
        for name in ("config", "socket", "data", "secrets"):
            (home / name).mkdir()
        self.set_apps(apps)
        (home / "config" / "postgresql.conf").write_text(
            f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nfsync = off\n"
        )
        self._environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "PGPORT": str(self.port),
            "SMARTCITY_SHARE": str(share),
            "SMARTCITY_CONFIG_DIR": str(home / "config"),
            "SMARTCITY_SOCKET_DIR": str(home / "socket"),
            "SMARTCITY_DATA": str(home / "data"),
            "SMARTCITY_PG_BIN": str(bin_dir),
        }
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            owner = pwd.getpwnam(self._user)
            home.chmod(0o755)
            for path in (home, *home.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def set_apps(self, apps: list[str]) -> None:
        """What the rendered databases.json says; passwords are made as they are needed."""
        entries = []
        for app in apps:
            role, path = app.replace("-", "_"), self.home / "secrets" / f"{app}_db_password"
            if not path.exists():
                self.set_password(app, secrets.token_urlsafe(16))
            entries.append({"database": role, "user": role, "password_file": str(path)})
        (self.home / "config" / "databases.json").write_text(json.dumps(entries))

    def password(self, app: str) -> str:
        """The database password of `app`."""
        return (self.home / "secrets" / f"{app}_db_password").read_text().strip()

    def set_password(self, app: str, password: str) -> None:
        """Writes the secret; it holds from the next start."""
        path = self.home / "secrets" / f"{app}_db_password"
        path.write_text(password + "\n")
        path.chmod(0o644)

    def log(self) -> str:
        """All that the entrypoint and PostgreSQL printed."""
        return self.log_path.read_text()

    def start(self, ready: bool = True) -> None:
        """Starts the entrypoint and waits until its health check is content."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                ["bash", str(self.home / "share" / "entrypoint.sh")],
                env=self._environment,
                user=self._user,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        if ready:
            wait_until(self.healthy, f"PostgreSQL is ready\n{self.log()}", 60)

    def healthy(self) -> bool:
        """The image's health check."""
        assert self._process and self._process.poll() is None, self.log()
        script = str(self.home / "share" / "healthy.sh")
        done = subprocess.run(["bash", script], env=self._environment, check=False)
        return done.returncode == 0

    def wait(self) -> int:
        """The exit code of the entrypoint, once it has ended."""
        assert self._process
        return self._process.wait(30)

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        """Ends the entrypoint; its exit code."""
        assert self._process
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
        return self._process.wait(30)


class AppServer:
    """One service app under gunicorn."""

    def __init__(self, app: str, home: Path, postgres: Postgres, settings: dict[str, object]):
        self.app, self.home, self.port = app, home, free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log_path = home / f"{app}.log"
        self._process: subprocess.Popen[bytes] | None = None
        folder = home / f"{app}-secrets"
        folder.mkdir()
        (folder / "db_password").write_text(postgres.password(app))
        (folder / "session_key").write_text(secrets.token_hex(32))
        (folder / "officer_password").write_text(OFFICER_PASSWORD)
        (home / f"{app}.json").write_text(
            json.dumps({"pemda": "Kabupaten Contoh", "settings": settings})
        )
        path = os.pathsep.join([str(LAYANAN), str(BUNDLES / app)])
        self.environment = os.environ | {
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
            "SMARTCITY_CONFIG": str(home / f"{app}.json"),
            "SMARTCITY_SECRETS": str(folder),
            "SMARTCITY_DATA": str(home / f"{app}-data"),
            "SMARTCITY_DB_HOST": "127.0.0.1",
            "SMARTCITY_DB_PORT": str(postgres.port),
        }

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m app …`."""
        argv = [sys.executable, "-m", "app", *arguments]
        return subprocess.run(
            argv,
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self) -> None:
        """Starts gunicorn and waits until it answers at all."""
        config = ["-c", str(LAYANAN / "gunicorn.conf.py"), "--bind", f"127.0.0.1:{self.port}"]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *config, "app.web:create()"],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        wait_until(self._answers, f"{self.app} answers")

    def _answers(self) -> bool:
        assert self._process and self._process.poll() is None, self.log_path.read_text()
        return self.health()[0] != 0

    def health(self) -> tuple[int, dict[str, object]]:
        """Status and JSON of the health path; status 0 when nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.base_url}/{self.app}/healthz", timeout=5) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def stop(self) -> None:
        """Ends gunicorn."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)
