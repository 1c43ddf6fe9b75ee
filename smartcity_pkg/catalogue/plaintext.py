"""What in an environment or a command looks like a secret that was written out.

Used where foreign Compose files are taken over (`importing`) and where apps are checked (`lint`).
A guess by names and forms: it says what a person should look at, and proves nothing.
"""

from __future__ import annotations

import re

from smartcity_pkg.catalogue.app import MARKER

_NAME = re.compile(
    r"(?:^|_)(?:\w*PASS(?:WORD|WD|PHRASE)?S?|\w*SECRETS?|\w*TOKENS?|PWD|\w*APIKEY|CREDENTIALS?|ERLANG_COOKIE"
    r"|(?:API|APP|ACCESS|PRIVATE|ENCRYPTION|ENCRYPT|MASTER|SIGNING|JWT|LICENSE|SESSION|COOKIE"
    r"|SERVICE_ROLE|ANON)_?KEY(?:_BASE|_ID)?|\w*KEY_BASE|SALT|\w*_SALT)(?:_|\d|$)",
    re.IGNORECASE,
)
# Names that hold one of the words above and no secret: switches, sizes, addresses, files.
_HARMLESS_NAME = re.compile(
    r"_(?:FILE|PATH|DIR|URL|URI|HOST|PORT|TTL|EXPIRY|EXPIRES?|EXPIRATION|LENGTH|ALGORITHM|ISSUER"
    r"|ENABLED?|REQUIRED|TYPE|LIFETIME|TIMEOUT|POLICY|NAME|USER|HEADER|FIELD|MIN|MAX|DAYS|SECONDS)$"
    r"|^(?:ALLOW|ENABLE|DISABLE|USE|REQUIRE|RESET)_|^BYPASS|_BYPASS|COMPASS|PASSENGER|PASSIVE"
    r"|PASSTHROUGH",
    re.IGNORECASE,
)
_LONGEST_NAME = 200  # what is longer is no name, and would keep the expressions busy
_SWITCH = re.compile(r"true|false|yes|no|on|off|none|null|random|\d{0,3}", re.IGNORECASE)
_IN_URL = re.compile(
    r"(?P<before>[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,200}:)(?P<secret>[^\s@/]{1,200})(?=@)"
)
_IN_COMMAND = re.compile(
    r"(?P<before>(?:^|\s)--?(?:requirepass|masterauth|password|passwd|pass|token|secret|api-?key"
    r"|root-password|admin-password|secret-key|auth-token|a)(?:=|\s+))(?P<secret>[^\s'\"]{1,200})",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(r"/run/secrets/|^\$|^/")


def is_secret(name: str, value: str) -> bool:
    """Whether an environment variable looks like a secret that is written out."""
    if not value or value == MARKER or _SWITCH.fullmatch(value) or _ELSEWHERE.search(value):
        return False
    return names_secret(name)


def names_secret(name: str) -> bool:
    """Whether a variable of this name is likely to hold a secret."""
    name = name[:_LONGEST_NAME]
    return bool(_NAME.search(name)) and not _HARMLESS_NAME.search(name)


def without_secrets(text: str) -> str:
    """`text` (an address, a command) with MARKER for each password in it."""
    for pattern in (_IN_URL, _IN_COMMAND):
        text = pattern.sub(_marked, text)
    return text


def _marked(match: re.Match[str]) -> str:
    if match["secret"].startswith(("$", "-", "/")):
        return match[0]
    return match["before"] + MARKER
