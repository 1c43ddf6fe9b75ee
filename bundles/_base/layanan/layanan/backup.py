"""The hooks `backup`, `restore` and `verify`: all data of an app as one tar, and back.

The tar holds `database/NNNNNNNN`, the pieces of one archive of pg_dump in its custom format, and
then `files/…`, what people have uploaded. Files come last: they are written before the row that
names them and never changed, so that no row of the dump lacks its file. Without our tools:

    tar -xOf data 'database/*' --wildcards | pg_restore --no-owner --dbname …
    tar -xf data files
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from layanan import db
from layanan.config import Config

PIECE_BYTES = 4 << 20
OLD_SCHEMA = "before_restore"
_NEW_FILES = ".restore-new"


class BackupError(Exception):
    """Why a backup could not be written or read."""


def write(config: Config, out: IO[bytes]) -> None:
    """Write all data to `out`; BackupError where something of it cannot be read."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        with _postgres(config, "pg_dump", "--format=custom", "--no-owner", "--no-acl") as dump:
            assert dump.stdout
            number = 0
            while piece := dump.stdout.read(PIECE_BYTES):
                member = tarfile.TarInfo(f"database/{number:08d}")
                member.size, member.mode = len(piece), 0o600
                tar.addfile(member, io.BytesIO(piece))
                number += 1
        for path in _files(config.data):
            tar.add(path, f"files/{path.relative_to(config.data)}", recursive=False)


def verify(source: IO[bytes]) -> None:
    """Read a backup to its end, the database through pg_restore; BackupError if not whole."""
    with _reader("--file=/dev/null") as restore:
        _read(source, restore, None)


def restore(config: Config, source: IO[bytes]) -> None:
    """Put a backup in the place of all data; BackupError leaves the data as they were.

    May be called again after any interruption. The app must not run meanwhile.
    """
    new = config.data / _NEW_FILES
    with db.connect(config, wait_s=60) as connection:
        connection.execute("SET statement_timeout = 0")
        undo(connection)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        connection.execute(f"ALTER SCHEMA public RENAME TO {OLD_SCHEMA}")
        try:
            connection.execute("CREATE SCHEMA public")
            # As PostgreSQL itself makes it, so that the next dump need not mention it.
            connection.execute("ALTER SCHEMA public OWNER TO pg_database_owner")
            with _postgres(
                config, "pg_restore", "--no-owner", "--no-acl", "--exit-on-error",
                f"--dbname={_name(config)}",
            ) as process:  # fmt: skip
                _read(source, process, new)
            kept = _bring_in(new, config.data)
        except BaseException:
            undo(connection)
            shutil.rmtree(new, ignore_errors=True)
            raise
        # From here on the new data count; before it, the old.
        connection.execute(f"DROP SCHEMA {OLD_SCHEMA} CASCADE")
    shutil.rmtree(new, ignore_errors=True)
    for path in [p for p in _files(config.data) if p not in kept]:
        path.unlink()


def undo(connection: db.Connection) -> None:
    """Give the data of before an unfinished restore their name again, if there are any."""
    row = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL AS there", (OLD_SCHEMA,))
    found = row.fetchone()
    if found and found["there"]:
        with connection.transaction():
            connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
            connection.execute(f"ALTER SCHEMA {OLD_SCHEMA} RENAME TO public")


def _bring_in(new: Path, data: Path) -> frozenset[Path]:
    """Move the files of `new` to their places: names are random, files of one name are equal."""
    kept = set()
    for path in list(_files(new)):
        target = data / path.relative_to(new)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        path.replace(target)
        kept.add(target)
    os.sync()
    return frozenset(kept)


def _files(data: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(data):
        names[:] = sorted(n for n in names if not n.startswith("."))
        for name in sorted(files):
            path = Path(folder) / name
            if not name.endswith(".part") and path.is_file() and not path.is_symlink():
                yield path


def _read(source: IO[bytes], restore: subprocess.Popen[bytes], folder: Path | None) -> None:
    """Feed the database to `restore`, then write the files into `folder` (None: only read)."""
    assert restore.stdin
    pieces = 0
    counted = _Counted(source)
    try:
        with tarfile.open(fileobj=counted, mode="r|") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                content = tar.extractfile(member)
                if content is None or ".." in path.parts or path.is_absolute():
                    raise BackupError(f"unexpected entry {member.name!r}")
                if path.parts[0] == "database":
                    shutil.copyfileobj(content, restore.stdin)
                    pieces += 1
                elif path.parts[0] == "files" and len(path.parts) > 1:
                    _write_file(content, folder and folder.joinpath(*path.parts[1:]))
                else:
                    raise BackupError(f"unexpected entry {member.name!r}")
        while counted.read(PIECE_BYTES):  # the padding after the tar's end
            pass
        # tarfile takes a stream that was cut between two files for a whole one.
        if counted.size_bytes - tar.offset < 2 * tarfile.BLOCKSIZE:
            raise BackupError("not a whole backup: it was cut after a file")
    except tarfile.TarError as error:
        raise BackupError(f"not a whole backup: {error}") from error
    except BrokenPipeError:
        return  # pg_restore's own words are the reason
    if not pieces:
        raise BackupError("there is no database in it")


class _Counted(io.RawIOBase):
    """A stream that knows how much was read of it."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.size_bytes += len(data)
        return data


def _write_file(content: IO[bytes], path: Path | None) -> None:
    if path is None:
        while content.read(PIECE_BYTES):
            pass
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    with path.open("xb") as target:
        shutil.copyfileobj(content, target)
        target.flush()
        os.fsync(target.fileno())


def _name(config: Config) -> str:
    return config.service.name.replace("-", "_")


@contextmanager
def _postgres(config: Config, program: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """`program` on the app's database; the password stands in a file that goes at the end."""
    host = os.environ.get("SMARTCITY_DB_HOST", "postgres")
    port = os.environ.get("SMARTCITY_DB_PORT", "5432")
    password = (config.secret("db_password") or "").replace("\\", "\\\\").replace(":", "\\:")
    with tempfile.NamedTemporaryFile("w", prefix="pgpass-") as file:  # made with mode 0600
        file.write(f"*:*:*:*:{password}\n")
        file.flush()
        environment = {
            **os.environ,
            "PGPASSFILE": file.name,
            "PGHOST": host,
            "PGPORT": port,
            "PGUSER": _name(config),
            "PGDATABASE": _name(config),
        }
        with _running([program, *options], environment) as process:
            yield process


@contextmanager
def _reader(*options: str) -> Iterator[subprocess.Popen[bytes]]:
    with _running(["pg_restore", *options], dict(os.environ)) as process:
        yield process


@contextmanager
def _running(argv: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program with both ends open; BackupError with its last words if it fails."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
        )
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            for stream in (process.stdin, process.stdout):
                try:
                    if stream:
                        stream.close()
                except BrokenPipeError:
                    pass
            status = process.wait()
        if status:
            said.seek(0)
            words = said.read()[-500:].decode(errors="replace").strip()
            raise BackupError(f"{Path(argv[0]).name} ended with status {status}: {words}")
