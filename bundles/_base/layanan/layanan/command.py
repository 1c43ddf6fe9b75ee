"""The command line of an app: `python3 -m app migrate` and `python3 -m app version`."""

from __future__ import annotations

import logging
import logging.config
import os
import sys

import psycopg

from layanan import config, db, logs, migrations
from layanan.config import Service

WAIT_S = "60"


def main(service: Service, arguments: list[str]) -> int:
    """The exit code: 0 done, 1 failed, 2 usage."""
    logging.config.dictConfig(logs.logging_config())
    if arguments == ["version"]:
        print(service.version)
        return 0
    if arguments != ["migrate"]:
        print("usage: python3 -m app migrate | version", file=sys.stderr)
        return 2
    return _migrate(service)


def _migrate(service: Service) -> int:
    log = logging.getLogger("layanan.migrate")
    wait_s = float(os.environ.get("SMARTCITY_DB_WAIT_S", WAIT_S))
    try:
        with db.connect(config.load(service), wait_s=wait_s) as connection:
            names = migrations.migrate(connection, service.migrations)
    except psycopg.Error as error:
        log.error(  # noqa: TRY400 - the reason is the whole story, a traceback hides it
            "migration failed", extra={"reason": str(error).strip()}
        )
        return 1
    log.info("migrations complete", extra={"app": service.name, "applied": names})
    return 0
