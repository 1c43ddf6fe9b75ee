"""The command line of an app: `python3 -m app migrate | backup | restore | verify | version`.

What `backup` writes to standard output and the other two read from standard input is described in
`layanan.backup`; logs go to standard error then.
"""

from __future__ import annotations

import logging
import logging.config
import os
import sys

import psycopg

from layanan import backup, config, db, logs, migrations
from layanan.config import Service

WAIT_S = "60"


def main(service: Service, arguments: list[str]) -> int:
    """The exit code: 0 done, 1 failed, 2 usage."""
    if arguments == ["version"]:
        print(service.version)
        return 0
    if arguments == ["migrate"]:
        logging.config.dictConfig(logs.logging_config())
        return _migrate(service)
    if len(arguments) == 1 and arguments[0] in ("backup", "restore", "verify"):
        return _data(service, arguments[0])
    print("usage: python3 -m app migrate | backup | restore | verify | version", file=sys.stderr)
    return 2


def _data(service: Service, what: str) -> int:
    try:
        if what == "backup":
            backup.write(config.load(service), sys.stdout.buffer)
            sys.stdout.flush()
        elif what == "restore":
            backup.restore(config.load(service), sys.stdin.buffer)
        else:
            backup.verify(sys.stdin.buffer)
    except (backup.BackupError, psycopg.Error, OSError) as error:
        print(f"{what} failed: {str(error).strip()}", file=sys.stderr)
        return 1
    return 0


def _migrate(service: Service) -> int:
    log = logging.getLogger("layanan.migrate")
    wait_s = float(os.environ.get("SMARTCITY_DB_WAIT_S", WAIT_S))
    try:
        with db.connect(config.load(service), wait_s=wait_s) as connection:
            backup.undo(connection)  # of a restore that was cut short: the data of before count
            names = migrations.migrate(connection, service.migrations)
    except psycopg.Error as error:
        log.error(  # noqa: TRY400 - the reason is the whole story, a traceback hides it
            "migration failed", extra={"reason": str(error).strip()}
        )
        return 1
    log.info("migrations complete", extra={"app": service.name, "applied": names})
    return 0
