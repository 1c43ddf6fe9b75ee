"""Feeding a command and draining both its outputs at once; starting and ending it is the host's."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator

# 32 to 256 KiB a write is the fastest over SSH; larger buffers only cost CPU (measured).
WRITE_BYTES = 128 << 10
READ_BYTES = 256 << 10
_READERS_END_S = 5.0


def converse(
    stdin: bytes | Iterable[bytes],
    *,
    write: Callable[[bytes], object],
    end_input: Callable[[], object],
    read_stdout: Callable[[int], bytes],
    read_stderr: Callable[[int], bytes],
    abort: Callable[[], object],
    gone: tuple[type[Exception], ...] = (OSError,),
) -> tuple[bytes, bytes]:
    """Write all of `stdin` while reading both outputs to their ends; returns the outputs.

    A command that stops reading its input early is not an error: its status tells. All of the
    callables raise one of `gone`, or return nothing, once the command or the link is gone. An
    exception of `stdin` itself is passed on, after `abort` has ended the command and with it the
    readers: one that lived on would read from whatever gets the closed descriptor's number next.
    """
    outputs = (bytearray(), bytearray())
    readers = [
        threading.Thread(target=_drain, args=(read, into, gone), daemon=True)
        for read, into in zip((read_stdout, read_stderr), outputs, strict=True)
    ]
    for reader in readers:
        reader.start()
    try:
        for piece in _pieces(stdin):
            try:
                write(piece)
            except gone:
                break
    except BaseException:
        abort()
        for reader in readers:
            reader.join(_READERS_END_S)
        raise
    with contextlib.suppress(*gone):
        end_input()
    for reader in readers:
        reader.join()
    return bytes(outputs[0]), bytes(outputs[1])


def _pieces(stdin: bytes | Iterable[bytes]) -> Iterator[bytes]:
    for chunk in (stdin,) if isinstance(stdin, bytes) else stdin:
        for start in range(0, len(chunk), WRITE_BYTES):
            yield chunk[start : start + WRITE_BYTES]


def _drain(
    read: Callable[[int], bytes], into: bytearray, gone: tuple[type[Exception], ...]
) -> None:
    try:
        while data := read(READ_BYTES):
            into += data
    except gone:
        return  # the command or the link is gone; what was read stands
