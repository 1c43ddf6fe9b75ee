"""Layers are compressed while the next ones are read: the reader never waits for a layer's end.

One export is one stream. zstd spreads a large layer over all cores by itself; what is left over is
the end of each layer, and layers too small to be shared out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Full, Queue
from types import TracebackType

from smartcity_pkg.bundle.cache import LayerCache
from smartcity_pkg.bundle.contents import PackedLayer

_AT_ONCE = 2
# Chunks are of at most 1 MiB, so that what waits is bounded too.
_WAITING_CHUNKS = 16
_LOOK_S = 0.1


class Compressing:
    """A context that ends when every layer given to it is in the cache; one thread gives them."""

    def __init__(self, cache: LayerCache) -> None:
        self._cache = cache
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._futures: list[Future[PackedLayer | None]] = []

    def __enter__(self) -> Compressing:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for future in self._futures:
                future.result()

    def add(self, chunks: Iterator[bytes], wanted: Callable[[str], bool]) -> None:
        """As `LayerCache.add`; returns when all chunks are read. Its errors may come later.

        What reading raises is raised here, and then nothing is kept of the layer.
        """
        queue: Queue[bytes | BaseException | None] = Queue(_WAITING_CHUNKS)
        future = self._pool.submit(self._cache.add, _taken(queue), wanted)
        self._futures.append(future)
        try:
            for chunk in chunks:
                _put(queue, chunk, future)
            _put(queue, None, future)
        except BaseException as error:
            _put(queue, error, future)
            raise


def _put(
    queue: Queue[bytes | BaseException | None],
    item: bytes | BaseException | None,
    future: Future[PackedLayer | None],
) -> None:
    """Wait for room, unless whoever makes room has failed: then raise what it met."""
    while True:
        if future.done():
            future.result()
            return
        with contextlib.suppress(Full):
            queue.put(item, timeout=_LOOK_S)
            return


def _taken(queue: Queue[bytes | BaseException | None]) -> Iterator[bytes]:
    while (item := queue.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item
