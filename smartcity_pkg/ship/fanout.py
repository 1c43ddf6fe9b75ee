"""Several servers at once from one process; how one of them is served is the caller's business.

What failed for one server is a value, and stops no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass

from smartcity_pkg.core.errors import InputError, InterruptedByUserError, SmartCityError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.hosts.host import Host
from smartcity_pkg.ship.lanes import LANES
from smartcity_pkg.ship.pace import Pace
from smartcity_pkg.ship.shipment import ShipReport

DEFAULT_PARALLEL = 8
Connect = Callable[[], Host]


@dataclass(frozen=True)
class Outcome:
    """What became of one server: its report, or what went wrong."""

    server: str
    report: ShipReport | None = None
    error: SmartCityError | None = None


def fan_out(
    servers: Sequence[tuple[str, Connect]],
    work: Callable[[str, Connect], ShipReport],
    pace: Pace,
    parallel: int = DEFAULT_PARALLEL,
) -> tuple[Outcome, ...]:
    """`work` for every server, `parallel` at a time; the outcomes in the servers' order.

    On Ctrl-C, and on a fault of our own, the pace is stopped, all connections are closed, and what
    has arrived on the servers stays. Raises what interrupted it.
    """
    parallel = max(1, min(parallel, len(servers)))
    pace.sharers = parallel * LANES
    connections = _Connections()

    def one(name: str, connect: Connect) -> Outcome:
        if pace.stop.is_set():
            raise InterruptedByUserError(_("interrupted"))
        try:
            return Outcome(name, report=work(name, lambda: connections.opened(connect)))
        except InterruptedByUserError:
            raise
        except SmartCityError as error:
            return Outcome(name, error=error)

    with ThreadPoolExecutor(parallel) as pool:
        futures = [pool.submit(one, name, connect) for name, connect in servers]
        try:
            done = wait(futures, return_when=FIRST_EXCEPTION)
            return tuple(f.result() for f in futures if f in done.done)
        finally:
            if not all(f.done() and f.exception() is None for f in futures):
                pace.stop.set()
                connections.close()


def failure(outcomes: Sequence[Outcome]) -> SmartCityError | None:
    """One error for all that failed; None where none did.

    One server alone, or one cause for all: that error's kind and exit code; else a plain error.
    """
    failed = [o for o in outcomes if o.error is not None]
    errors = [o.error for o in failed if o.error is not None]
    if not errors:
        return None
    if len(outcomes) == 1:
        return errors[0]
    same = len({type(e) for e in errors}) == 1 and not isinstance(errors[0], InputError)
    kind = type(errors[0]) if same else SmartCityError
    told = "\n".join(f"{o.server}: {o.error}" for o in failed)
    message = _("{failed} of {all} servers did not get everything:").format(
        failed=len(failed), all=len(outcomes)
    )
    hints = dict.fromkeys(e.hint for e in errors if e.hint)
    again = _("then run the same command again: servers that have it all are passed over")
    return kind(f"{message}\n{told}", "\n".join([*hints, again]))


class _Connections:
    """The open connections of a run, to be closed from outside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: list[Host] = []

    def opened(self, connect: Connect) -> Host:
        host = connect()
        with self._lock:
            self._hosts.append(host)
        return host

    def close(self) -> None:
        with self._lock:
            for host in self._hosts:
                with suppress(SmartCityError, OSError):
                    host.close()
