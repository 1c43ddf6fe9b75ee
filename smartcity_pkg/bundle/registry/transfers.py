"""One blob up or down, in pieces, going on where a lost link or a failing registry stopped it.

Which blobs move is for `push` and `pull`. Source: distribution-spec 1.1, "Pushing a blob in chunks"
and "Pulling blobs"; RFC 9110, "Range Requests".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import urllib3

from smartcity_pkg.bundle.registry.client import Repository
from smartcity_pkg.bundle.registry.connection import Answer, LostError
from smartcity_pkg.bundle.structure import broken
from smartcity_pkg.core.errors import RegistryError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Progress, no_progress

CHUNK_BYTES = 8 << 20
_READ_BYTES = 256 << 10
_OCTETS = "application/octet-stream"
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]+)")

Count = Callable[[int], None]


class _StartOverError(Exception):
    """The registry has forgotten the upload, or holds other bytes of it than we sent."""


def upload(
    repository: Repository,
    blob_digest: str,
    opened: Callable[[], BinaryIO],
    count: Count,
    mount_from: str | None = None,
    progress: Progress = no_progress,
) -> bool:
    """Put a blob into the repository; False where it was there already in `mount_from`.

    `opened` gives a new stream over it. `count` gets the size of each piece that arrived, and
    `progress` until when it waits for its turn.
    """
    return repository.patiently(
        lambda: _Upload(repository, blob_digest, count, progress).run(opened, mount_from)
    )


class _Upload:
    """One upload session; a lost one is begun again by `patiently`."""

    def __init__(
        self, repository: Repository, blob_digest: str, count: Count, progress: Progress
    ) -> None:
        self._repository, self._digest, self._count = repository, blob_digest, count
        self._progress = progress
        self._place = ""
        self._arrived = 0

    def run(self, opened: Callable[[], BinaryIO], mount_from: str | None) -> bool:
        self._repository.await_turn(self._progress)
        query = {"mount": self._digest, "from": mount_from} if mount_from else {}
        begun = self._repository.once(
            "POST", self._repository.url("blobs", "uploads/", **query), (201, 202)
        )
        if begun.status == 201:
            return False
        self._keep_place(begun)
        try:
            with opened() as stream:
                chunk = stream.read(CHUNK_BYTES)
                while following := stream.read(CHUNK_BYTES):
                    self._repository.await_turn(self._progress)
                    self._repository.patiently(partial(self._patch, chunk))
                    self._advance(len(chunk))
                    chunk = following
                self._repository.patiently(lambda: self._finish(chunk))
                self._count(len(chunk))
        except _StartOverError as error:
            self._count(-self._arrived)
            raise LostError(_("the registry lost the upload")) from error
        return True

    def _advance(self, size_bytes: int) -> None:
        self._arrived += size_bytes
        self._count(size_bytes)

    def _patch(self, data: bytes) -> None:
        """Send what the registry lacks of one chunk."""
        rest = data[self._there() - self._arrived :] if not self._place else data
        if not rest:
            return
        start = self._arrived + len(data) - len(rest)
        place, self._place = self._place or self._asked_place, ""
        answer = self._repository.once(
            "PATCH",
            place,
            (202, 400, 404, 416),
            headers={
                "Content-Type": _OCTETS,
                "Content-Range": f"{start}-{start + len(rest) - 1}",
            },
            body=rest,
        )
        if answer.status != 202:
            raise _StartOverError
        self._keep_place(answer)

    def _finish(self, data: bytes) -> None:
        """Send the last chunk and say what all of it must be."""
        if not self._place:
            if self._is_whole():
                return
            data = data[self._there() - self._arrived :]
            self._place = self._asked_place
        place, self._place = self._place, ""
        mark = "&" if "?" in place else "?"
        answer = self._repository.once(
            "PUT",
            f"{place}{mark}digest={quote(self._digest)}",
            (201, 204, 400, 404, 416),
            headers={"Content-Type": _OCTETS},
            body=data,
        )
        if answer.status not in (201, 204):
            raise _StartOverError

    def _keep_place(self, answer: Answer) -> None:
        self._place = self._asked_place = self._repository.located(answer)

    def _there(self) -> int:
        """How many bytes of the blob have arrived, after an answer was lost."""
        answer = self._repository.once("GET", self._asked_place, (204, 202, 400, 404, 416))
        found = _RANGE.fullmatch(answer.headers.get("range", ""))
        if answer.status not in (202, 204) or not found:
            raise _StartOverError
        self._asked_place = self._repository.located(answer)
        last = int(found[1])
        return last + 1 if last else 0

    def _is_whole(self) -> bool:
        """Whether the upload ended well and only the answer was lost."""
        url = self._repository.url("blobs", self._digest)
        return self._repository.once("HEAD", url, (200, 404)).status == 200


def download(
    repository: Repository, blob_digest: str, size_bytes: int, path: Path, count: Count
) -> None:
    """A blob into the new file `path`, checked against its digest and size.

    Raises UntrustedBundleError where the registry sends other bytes; never writes more than
    `size_bytes`.
    """
    with path.open("xb") as out:
        _Download(repository, blob_digest, size_bytes, out, count).run()


class _Download:
    """One blob on its way into a file."""

    def __init__(
        self, repository: Repository, blob_digest: str, size_bytes: int, out: BinaryIO, count: Count
    ) -> None:
        self._repository, self._digest, self._size = repository, blob_digest, size_bytes
        self._out, self._count = out, count
        self._hash, self._done = hashlib.sha256(), 0

    def run(self) -> None:
        while self._done < self._size:
            before = self._done
            # A piece that came is a success: only failures in a row use the patience up.
            self._repository.patiently(self._some)
            if self._done <= before:
                raise RegistryError(
                    _("the registry {host} sends nothing of {digest}").format(
                        host=self._repository.address.host, digest=self._digest[:19]
                    ),
                    _("Ask whoever runs it; its disk may be damaged."),
                )
        if f"sha256:{self._hash.hexdigest()}" != self._digest:
            raise broken(
                _("the registry sent other bytes than {digest}").format(digest=self._digest[:19])
            )

    def _some(self) -> None:
        headers = {"Range": f"bytes={self._done}-"} if self._done else {}
        response = self._repository.open(self._repository.url("blobs", self._digest), headers)
        before = self._done
        try:
            if self._done and response.status != 206:
                self._begin_again()
            self._read(response)
        except urllib3.exceptions.HTTPError as error:
            if self._done <= before:
                raise LostError(type(error).__name__) from error
        finally:
            response.close() if self._done < self._size else response.release_conn()

    def _read(self, response: urllib3.BaseHTTPResponse) -> None:
        while data := response.read(_READ_BYTES):
            self._repository.wait(0)
            if self._done + len(data) > self._size:
                raise broken(_("{digest} is longer than expected").format(digest=self._digest[:19]))
            self._out.write(data)
            self._hash.update(data)
            self._done += len(data)
            self._count(len(data))

    def _begin_again(self) -> None:
        """A registry that knows no ranges sends all of it anew."""
        self._count(-self._done)
        self._out.seek(0)
        self._out.truncate()
        self._hash, self._done = hashlib.sha256(), 0
