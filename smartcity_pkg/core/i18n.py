"""Translation of what people read, through gettext; English is the source language.

`_` may be bound early (`from core.i18n import _`): it looks the active language up at each call.
"""

from __future__ import annotations

import errno
import gettext
import os
from pathlib import Path

LANGUAGES = ("id", "en")
_LOCALE_DIR = Path(__file__).parent.parent / "locale"
_active: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"


def choose_language(wanted: str | None = None) -> str:
    """The language to speak: `wanted`, else what the environment says, else "en"."""
    for value in (
        wanted,
        *(os.environ.get(v) for v in ("SMARTCITY_LANG", "LC_ALL", "LC_MESSAGES", "LANG")),
    ):
        if value:
            code = value.replace("-", "_").split("_")[0].split(".")[0].lower()
            code = "id" if code == "in" else code
            return code if code in LANGUAGES else "en"
    return "en"


def activate(language: str) -> None:
    """Speak `language` ("id" or "en") from now on; without a compiled catalogue, English.

    Libraries that translate through the process-wide text domain (typer) follow along.
    """
    global _active, _language  # noqa: PLW0603 - one process speaks one language
    _language = language
    os.environ["LANGUAGE"] = language
    gettext.bindtextdomain("smartcity", str(_LOCALE_DIR))
    gettext.textdomain("smartcity")
    _active = (
        gettext.NullTranslations()
        if language == "en"
        else gettext.translation("smartcity", _LOCALE_DIR, [language], fallback=True)
    )


def language() -> str:
    """The language spoken now: "id" or "en"."""
    return _language


def _(message: str) -> str:
    """`message` in the active language."""
    return _active.gettext(message) if message else message


def N_(message: str) -> str:
    """`message` itself, marked for translation: it is translated where it is used."""
    return message


_OF_SYSTEM = {
    errno.ENOENT: N_("it does not exist"),
    errno.EACCES: N_("access is not allowed"),
    errno.EPERM: N_("access is not allowed"),
    errno.EISDIR: N_("it is a folder"),
    errno.ENOTDIR: N_("a part of the path is no folder"),
    errno.ENOSPC: N_("the disk is full"),
    errno.EROFS: N_("the disk is write-protected"),
    errno.EIO: N_("the disk does not read or write it"),
}


def os_text(error: OSError) -> str:
    """Why the operating system refused, in the active language as far as the reason is common."""
    known = _OF_SYSTEM.get(error.errno or 0)
    return _(known) if known else error.strerror or str(error)
