"""Files that people send: bounded, recognised by content, kept under random names.

What a browser says of a file (name, type) is never trusted: the type comes from the first bytes.
Files are only served by an app's own routes, which decide who may see them.
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from flask import Response, abort, current_app, send_file
from werkzeug.datastructures import FileStorage

IMAGES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
DOCUMENTS = {**IMAGES, b"%PDF-": "application/pdf"}
_SUFFIX = {"image/jpeg": ".jpg", "image/png": ".png", "application/pdf": ".pdf"}
_NAME = re.compile(r"^[0-9a-f]{32}\.(jpg|png|pdf)$")
_CHUNK = 64 * 1024


class UploadError(ValueError):
    """Why a file was not taken, as a sentence in Indonesian."""


@dataclass(frozen=True)
class Upload:
    """A stored file: its random name, its type, and its size in bytes."""

    name: str
    media_type: str
    size_bytes: int


def _folder() -> Path:
    folder: Path = current_app.extensions["layanan"].data / "uploads"
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    return folder


def save(sent: FileStorage | None, kinds: dict[bytes, str]) -> Upload | None:
    """Stores what was sent; None where the field was empty.

    Raises UploadError when the file is larger than `max_upload_mib` or not one of `kinds`.
    """
    if sent is None or not sent.filename:
        return None
    limit_mib = int(current_app.extensions["layanan"].settings["max_upload_mib"])
    head = sent.stream.read(16)
    media_type = next((kind for magic, kind in kinds.items() if head.startswith(magic)), None)
    if media_type is None:
        shown = ", ".join(sorted(_SUFFIX[k].lstrip(".").upper() for k in kinds.values()))
        raise UploadError(f"Jenis berkas harus salah satu dari: {shown}.")
    folder = _folder()
    name = secrets.token_hex(16) + _SUFFIX[media_type]
    part = folder / f"{name}.part"
    try:
        with part.open("xb") as target:
            size = target.write(head)
            while chunk := sent.stream.read(_CHUNK):
                size += target.write(chunk)
                _check_size(size, limit_mib)
            target.flush()
            os.fsync(target.fileno())
        part.rename(folder / name)
        _sync(folder)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return Upload(name, media_type, size)


def _sync(folder: Path) -> None:
    """Brings the folder's entries to the disk: without it, a power cut may take the rename back."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_size(size_bytes: int, limit_mib: int) -> None:
    if size_bytes > limit_mib << 20:
        raise UploadError(f"Berkas lebih besar dari {limit_mib} MiB.")


def discard(*uploads: Upload | None) -> None:
    """Removes stored files again, for a form that failed after they were saved."""
    for upload in uploads:
        if upload:
            (_folder() / upload.name).unlink(missing_ok=True)


def serve(name: str | None, media_type: str) -> Response:
    """The stored file `name`; 404 where there is none. The caller has checked who asks."""
    if not name or not _NAME.match(name) or not (path := _folder() / name).is_file():
        abort(404)
    response = send_file(path, mimetype=media_type, download_name=name, max_age=0)
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
