from __future__ import annotations

import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.hosts.host import Host
from smartcity_pkg.install.outage import Gaps, OutageMeter
from smartcity_pkg.install.probe import Answer, Route, ask

A, B = Route("a", "/a/", 80), Route("b", "/b/", 80)


def gaps(*answers: tuple[Route, int, float]) -> Gaps:
    made = Gaps()
    for route, status, at_s in answers:
        made.note(Answer(route, status), at_s, at_s)
    return made


def test_an_outage_lasts_from_the_first_bad_to_the_first_good_answer() -> None:
    made = gaps((A, 200, 0), (A, 0, 1), (A, 502, 2), (A, 200, 4), (A, 200, 9))
    assert made.total_s(10) == 3


def test_a_route_that_never_answered_has_no_outage() -> None:
    assert gaps((A, 0, 0), (A, 404, 5)).total_s(10) == 0


def test_an_outage_that_goes_on_counts_until_now() -> None:
    assert gaps((A, 200, 0), (A, 0, 2)).total_s(5) == 3


def test_overlapping_outages_count_once() -> None:
    made = gaps((A, 200, 0), (B, 200, 0), (A, 0, 1), (B, 0, 2), (A, 200, 3), (B, 200, 5))
    assert made.total_s(9) == 4


def test_a_busy_entrance_is_no_outage() -> None:
    assert gaps((A, 200, 0), (A, 429, 1)).total_s(9) == 0


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from([0, 200, 503])), max_size=20))
def test_the_outage_is_never_longer_than_the_time_watched(said: list[tuple[Route, int]]) -> None:
    made = gaps(*((route, status, float(i)) for i, (route, status) in enumerate(said)))
    assert 0 <= made.total_s(float(len(said))) <= len(said)


class Server:
    """A real listener that answers every connection with the same bytes, slowly if asked."""

    def __init__(self, answer: bytes, delay_s: float = 0) -> None:
        self._answer = answer
        self._delay_s = delay_s
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._closed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _peer = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                self._closed.wait(self._delay_s)
                connection.sendall(self._answer)

    def close(self) -> None:
        self._closed.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", 503),
        (b"HTTP/1.1 301 \r\n\r\n", 301),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 0),
        (b"HTTP/1.1 999 Odd\r\n", 0),
        (b"", 0),
        (b"x" * 100_000, 0),
    ],
)
def test_only_a_status_line_counts_as_an_answer(host: Host, answer: bytes, status: int) -> None:
    server = Server(answer)
    found = ask(host, Route("a", "/a/", server.port))
    server.close()
    assert found.status == status
    assert found.good is (status == 200)
    assert found.status or found.why


def test_nobody_there_is_an_answer_too(host: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    assert not ask(host, Route("a", "/a/", port)).good


def test_a_silent_server_does_not_hold_us(host: Host) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n\r\n", delay_s=30)
    started_s = time.monotonic()
    assert ask(host, Route("a", "/a/", server.port), timeout_s=0.3).status == 0
    assert time.monotonic() - started_s < 2
    server.close()


def test_the_meter_sees_a_real_server_go(host: Host) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n\r\n")
    with OutageMeter(host, [Route("a", "/a/", server.port)]) as meter:
        assert meter.outage_s == 0
        server.close()
        deadline = time.monotonic() + 5
        while meter.outage_s < 0.3 and time.monotonic() < deadline:
            threading.Event().wait(0.05)
    assert 0.3 <= meter.outage_s < 5


def test_without_routes_nothing_is_asked(host: Host) -> None:
    with OutageMeter(host, []) as meter:
        pass
    assert meter.outage_s == 0
