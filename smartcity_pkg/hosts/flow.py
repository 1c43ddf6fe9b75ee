"""How much of a command's input may be on its way at once; the channel itself is `hosts.ssh`'s.

What is on its way when a link dies must be sent again, and on a slow link everything else waits
behind it. An SSH server opens a channel's window again (RFC 4254, 5.2) once it has handed the bytes
to the command, so that the window tells what is still on its way. OpenSSH's own limit is 2 MiB.

Measured (three cuts in 100 MB): 0 to 1 MB is sent twice, 4 to 8 MB without.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

# OpenSSH reports after every three packets of 32 KiB (channels.c, channel_check_window): with less
# than that, and one more on its way, sending would stop and go.
FLOOR_BYTES = 160 << 10
# How long the command at the other end may take to be scheduled, beside the link's own time.
_SLACK_S = 0.002
_LOOK_S = 0.02
# Should a server never report: after this time more is let through than was thought right.
_PATIENCE_S = 60.0


class Channel(Protocol):
    """What of a channel is needed: paramiko's own names."""

    out_window_size: int
    out_buffer_cv: threading.Condition
    closed: bool

    def sendall(self, data: bytes) -> object:
        """Send all of `data`, waiting for the window."""


class Flow:
    """Writes to a channel, never more ahead than the link needs to be full.

    That is twice what it carries in the time `trip_s` (seconds) of one round trip, measured as it
    goes. `packet_bytes` is written at once. To be made when the command runs: OpenSSH opens the
    window only then.
    """

    def __init__(
        self,
        channel: Channel,
        trip_s: float,
        packet_bytes: int = 32 << 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._window = channel.out_window_size
        self._trip_s = trip_s
        self._packet = packet_bytes
        self._clock = clock
        self._sent = 0
        self._seen, self._looked = 0, clock()
        self.limit_bytes = FLOOR_BYTES

    def write(self, data: bytes) -> None:
        """Send `data`; raises what the channel raises."""
        for start in range(0, len(data), self._packet):
            piece = data[start : start + self._packet]
            self._await_room(len(piece))
            self._channel.sendall(piece)
            self._sent += len(piece)

    @property
    def _under_way(self) -> int:
        return self._window - self._channel.out_window_size

    def _await_room(self, size_bytes: int) -> None:
        began = self._clock()
        with self._channel.out_buffer_cv:
            self._learn()
            while self._under_way + size_bytes > self.limit_bytes and not self._channel.closed:
                self._channel.out_buffer_cv.wait(1.0)
                self._learn()
                if self._clock() - began > _PATIENCE_S:
                    self.limit_bytes *= 2
                    return

    def _learn(self) -> None:
        """See how fast bytes arrive, and set the limit by it."""
        now = self._clock()
        took = now - self._looked
        if took < max(self._trip_s, _LOOK_S):
            return
        arrived = self._sent - self._under_way
        rate = (arrived - self._seen) / took
        self._seen, self._looked = arrived, now
        ahead = int(rate * 2 * (self._trip_s + _SLACK_S))
        # A pause in what is given to us says nothing about the link: fall slowly.
        self.limit_bytes = max(FLOOR_BYTES, ahead, self.limit_bytes * 7 // 8)
