"""The contract of `Host`, run on every implementation: see the docstring of hosts/host.py.

A test module subclasses `HostContract` and gives the fixture `host`.
"""

from __future__ import annotations

import hashlib
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smartcity_pkg.core.errors import DiskFullError, RemoteCommandError
from smartcity_pkg.hosts.host import Host, as_bytes, script

# Any bytes but NUL: text, what a shell would interpret, and bytes that are not UTF-8 (PEP 383).
_HOSTILE = st.sampled_from(
    ["'", '"', "\\", "$HOME", "`id`", "*", "?", "\n", "~", "!!", " ", "-n", ""]
)
_BYTES = st.binary(max_size=40).map(
    lambda b: b.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)
WORDS = st.lists(st.lists(st.one_of(_HOSTILE, _BYTES), max_size=4).map("".join), max_size=6)


class HostContract:
    def test_every_argument_arrives_exactly(self, host: Host) -> None:
        @settings(max_examples=40, deadline=None)
        @given(words=WORDS)
        def check(words: list[str]) -> None:
            done = host.run(("sh", "-c", 'for w; do printf "%s\\0" "$w"; done', "sh", *words))
            assert done.stdout == b"".join(as_bytes(word) + b"\0" for word in words)

        check()

    def test_commands_run_as_root_in_the_c_locale(self, host: Host) -> None:
        done = host.run(("sh", "-c", 'id -u; echo "$LC_ALL"'))
        assert done.text == "0\nC"

    @pytest.mark.parametrize(
        ("argv", "status"),
        [
            (("true",), 0),
            (("sh", "-c", "exit 3"), 3),
            (("/",), 126),
            (("no-such-command",), 127),
            (("sh", "-c", "kill -TERM $$"), 143),
            (("sh", "-c", "kill -KILL $$"), 137),
            (("sh", "-c", "exit 255"), 255),
        ],
    )
    def test_statuses_are_those_of_the_command(
        self, host: Host, argv: tuple[str, ...], status: int
    ) -> None:
        assert host.run(argv, check=False).status == status

    def test_a_bad_status_raises_with_the_last_words(self, host: Host) -> None:
        with pytest.raises(RemoteCommandError) as caught:
            host.run(("sh", "-c", "echo first >&2; echo rusak >&2; exit 4"))
        assert "rusak" in caught.value.message
        assert "4" in caught.value.message
        assert host.name in caught.value.message

    def test_only_our_own_scripts_say_disk_full(self, host: Host) -> None:
        with pytest.raises(DiskFullError):
            host.run(script("# look for room\nexit 28"))
        with pytest.raises(RemoteCommandError) as caught:
            host.run(("sh", "-c", "exit 28"))
        assert not isinstance(caught.value, DiskFullError)

    def test_standard_input_is_empty_by_default(self, host: Host) -> None:
        assert host.run(("cat",)).stdout == b""

    def test_both_streams_are_drained_while_input_is_fed(self, host: Host) -> None:
        size = 12_000_000
        code = f"head -c {size} /dev/zero; head -c {size} /dev/zero >&2; wc -c"
        done = host.run(("sh", "-c", code), stdin=bytes(size))
        assert len(done.stdout) == size + len(f"{size}\n")
        assert len(done.stderr) == size

    def test_binary_input_and_output_arrive_unchanged(self, host: Host) -> None:
        data = bytes(range(256)) * 4096
        assert host.run(("cat",), stdin=data).stdout == data

    def test_streamed_input_is_not_held_in_memory(self, host: Host) -> None:
        chunk, count = os.urandom(1 << 20), 200
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        done = host.run(("sha256sum",), stdin=(chunk for _ in range(count)), timeout_s=120)
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert done.text.split()[0] == hashlib.sha256(chunk * count).hexdigest()
        assert grown_kib < 60 << 10

    def test_a_command_that_stops_reading_is_no_error(self, host: Host) -> None:
        done = host.run(("head", "-c", "1"), stdin=(b"x" * 65536 for _ in range(200)))
        assert done.stdout == b"x"

    def test_an_error_of_the_input_is_passed_on(self, host: Host) -> None:
        def broken() -> Iterator[bytes]:
            yield b"some"
            raise KeyError("input")

        with pytest.raises(KeyError):
            host.run(("cat",), stdin=broken())
        assert host.run(("echo", "alive")).text == "alive"

    @pytest.mark.parametrize("code", ["exec sleep 60", "sleep 60 & sleep 60", "setsid sleep 20"])
    def test_a_call_ends_at_its_timeout(self, host: Host, code: str) -> None:
        start = time.monotonic()
        with pytest.raises(RemoteCommandError):
            host.run(("sh", "-c", code), timeout_s=1)
        assert time.monotonic() - start < 5
        assert host.run(("echo", "alive")).text == "alive"

    def test_a_call_ends_at_its_timeout_while_input_is_stuck(self, host: Host) -> None:
        start = time.monotonic()
        with pytest.raises(RemoteCommandError):
            host.run(("sleep", "60"), stdin=(bytes(1 << 20) for _ in range(64)), timeout_s=1)
        assert time.monotonic() - start < 5

    def test_commands_run_side_by_side(self, host: Host) -> None:
        gate = threading.Barrier(6)

        def one(number: int) -> str:
            gate.wait()
            return host.run(("sh", "-c", 'cat; echo "$1"', "sh", str(number)), stdin=b"in ").text

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(one, range(6))) == [f"in {n}" for n in range(6)]

    def test_connect_reaches_a_port_of_the_machine(self, host: Host) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            echo = threading.Thread(target=_echo_once, args=(server,))
            echo.start()
            stream = host.connect("127.0.0.1", server.getsockname()[1])
            stream.settimeout(10)
            stream.sendall(b"halo")
            assert stream.recv(4) == b"halo"
            stream.close()
            echo.join()

    def test_connect_to_a_closed_port_is_refused(self, host: Host) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            with pytest.raises(RemoteCommandError):
                host.connect("127.0.0.1", port)

    def test_close_may_be_called_twice(self, host: Host) -> None:
        host.close()
        host.close()


def _echo_once(server: socket.socket) -> None:
    stream, _address = server.accept()
    with stream:
        stream.sendall(stream.recv(4))
