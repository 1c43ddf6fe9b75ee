"""Finds secrets that were written out: in rendered files, and in what an image's config says.

Pure. Made for precision: what it names should be looked at by a person, so that nobody learns to
wave it through. A value is never shown; a finding says where it stands, how it begins and how long
it is. Which findings are allowed is said in the workspace's policy (`admission` puts the two
together).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smartcity_pkg.catalogue.policy import LeakRule

# PEM (RFC 7468) and OpenSSH's form, PGP's armour, PuTTY's; with content, not just the words.
_PEM = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:\\[nr]|\s)*(?P<value>[A-Za-z0-9+/=:, \\-]{16,}[^-]{0,20000})"
)
_PUTTY = re.compile(r"PuTTY-User-Key-File-\d: [a-z0-9-]+(?P<value>)")
# Public formats of their issuers' documentation; each is a prefix that nothing else has.
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9_-])(?P<value>"
    r"(?:AKIA|ASIA)[A-Z2-7]{16}"  # Amazon
    r"|gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{60,251}"  # GitHub
    r"|glpat-[A-Za-z0-9_-]{20,60}"  # GitLab
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}"  # Slack
    r"|AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{30,250}"  # Google
    r"|[sr]k_live_[A-Za-z0-9]{20,250}"  # Stripe
    r"|SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"  # SendGrid
    r"|npm_[A-Za-z0-9]{36}|pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,250}"  # package registries
    r"|dckr_pat_[A-Za-z0-9_-]{27}|dop_v1_[a-f0-9]{64}|hv[sb]\.[A-Za-z0-9_-]{24,250}"
    r"|sk-(?:ant|proj)-[A-Za-z0-9_-]{40,250}"  # Anthropic, OpenAI
    r"|\d{8,10}:AA[A-Za-z0-9_-]{33}"  # Telegram's bots
    r"|Mid-server-[A-Za-z0-9_-]{20,60}|xnd_production_[A-Za-z0-9]{30,120}"  # Midtrans, Xendit
    r"|AGE-SECRET-KEY-1[0-9A-Z]{58}"  # age
    r"|eyJ[A-Za-z0-9_-]{15,2000}\.eyJ[A-Za-z0-9_-]{15,4000}\.[A-Za-z0-9_-]{20,1000}"  # JWT
    r")(?![A-Za-z0-9_-])"
    r"|AccountKey=(?P<azure>[A-Za-z0-9+/]{86}==)"
)
_URL = re.compile(
    r"(?<![A-Za-z0-9])[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>]{0,100}:(?P<value>[^\s@/\"'<>]{1,200})@"
)
_NAMED = re.compile(
    r"(?<![A-Za-z0-9_.-])(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,100})[\"']?\s{0,20}(?::=|[:=])\s{0,20}[\"']?"
    r"(?P<value>[^\s\"',;(){}\[\]<>]{8,4096})"
)
_OPTION = re.compile(
    r"(?<!\S)--?(?P<name>requirepass|masterauth|[a-z-]{0,30}(?:password|passwd|secret|token|api-key))"
    r"[ =][\"']?(?P<value>[^\s\"',;(){}\[\]<>]{8,4096})"
)
# Only names that end so: password_encryption, token_url and GPG_KEY hold no secrets.
_SECRET_NAME = re.compile(
    r"(?:^|[_.-])[a-z0-9]*?(?:passwords?|passwd|passphrase|pwd|secrets?|tokens?|api_?key"
    r"|credentials?|(?:access|secret|private|encrypt(?:ion)?|signing|jwt|session|cookie|master"
    r"|app|server|license|service_?role)_?key(?:_base)?|_salt|requirepass|masterauth)"
    r"(?:_?\d{1,2})?$"
)
_PLACEHOLDER = re.compile(
    r"change-?_?(?:me|this|it)|example|contoh|placeholder|dummy|to-?_?(?:fill|do)|ganti|isi-|your[-_]"
    r"|replace|redacted|xxxx|\*\*\*|\.\.\.|0000|1234567|sample|insert|not-?_?a-?_?secret"
    r"|/run/secrets",
    re.IGNORECASE,
)
_SOMETHING_ELSE = re.compile(
    r"[$%@&*!|>/.~#\\]"  # a variable, a path, an anchor
    r"|(?:sha256|sha512|sha1|md5|file|https?|os|env|vault|secret)[.:]"  # a digest, an address, code
    r"|\d{4}-\d\d-\d\d|[\d.,:]+$",  # a date, a number
    re.IGNORECASE,
)
PRIVATE_KEY = "PRIVATE KEY"  # the name of one that stands under none
_LEAST_BITS = 24.0


@dataclass(frozen=True)
class Leak:
    """What looks like a secret, without the secret.

    `where` is a file's path or an image's name; `at` is a line ("12") or the place in an image's
    config ("Env.DB_PASSWORD"). `path` is the name that the value stands under, "" without one.
    """

    where: str
    at: str
    rule: LeakRule
    path: str
    begins: str
    length: int
    value_sha256: str


def in_files(files: Mapping[str, bytes]) -> tuple[Leak, ...]:
    """Every leak in files by path, in order of paths and lines."""
    found: dict[Leak, None] = {}
    for where, data in sorted(files.items()):
        text = data.decode("utf-8", "replace")
        for rule, path, value, start in _in_text(text):
            line = text.count("\n", 0, start) + 1
            found[_leak(where, str(line), rule, path, value)] = None
    return tuple(found)


def in_image(where: str, config: bytes) -> tuple[Leak, ...]:
    """Every leak in an image's config (OCI image-spec, config.md): Env, Labels, Cmd, history, …."""
    found: dict[Leak, None] = {}
    for at, text in _strings(json.loads(config), ()):
        for rule, path, value, _start in _in_text(text):
            leak = _leak(where, ".".join(at), rule, path, value)
            found[leak] = None
    return tuple(found)


def _strings(value: Any, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text of a JSON document as `name=value`, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            place = () if not at and key in ("config", "container_config") else (*at, key)
            if isinstance(inner, str):
                yield place, f"{key}={inner}"
            else:
                yield from _strings(inner, place)
    elif isinstance(value, list):
        texts = [inner for inner in value if isinstance(inner, str)]
        if texts and at[-1:] != ("Env",):
            yield at, " ".join(texts)  # a command
        for i, inner in enumerate(value):
            if not isinstance(inner, str):
                yield from _strings(inner, (*at, str(i)))
            elif at[-1:] == ("Env",):
                yield (*at, inner.partition("=")[0]), inner


_Hit = tuple[LeakRule, str, str, int]


def _in_text(text: str) -> Iterator[_Hit]:
    """Rule, name, value and offset of every leak; the surest rule first, each value once."""
    seen: set[str] = set()
    for hit in _candidates(text):
        if hit[2] not in seen:
            seen.add(hit[2])
            yield hit


def _candidates(text: str) -> Iterator[_Hit]:
    for match in (*_PEM.finditer(text), *_PUTTY.finditer(text)):
        name = _name_before(text, match.start()) or PRIVATE_KEY
        yield "private-key", name, match[0], match.start()
    for match in _TOKENS.finditer(text):
        value = match["value"] or match["azure"]
        if "EXAMPLE" not in value:
            yield "token", _name_before(text, match.start()), value, match.start()
    for match in _URL.finditer(text):
        if not _is_harmless(match["value"]):
            yield "url-password", _name_before(text, match.start()), match["value"], match.start()
    start = 0
    for line in text.splitlines(keepends=True):
        for pattern in (_NAMED, _OPTION):
            for match in pattern.finditer(line):
                if _is_named_secret(match["name"], match["value"]):
                    yield "named-secret", match["name"], match["value"], start + match.start()
        start += len(line)


def _name_before(text: str, offset: int) -> str:
    """The name that a value at `offset` is given to on its line, "" if there is none."""
    before = text[max(0, offset - 200) : offset].rsplit("\n", 1)[-1]
    found = re.search(r"([A-Za-z_][A-Za-z0-9_.-]*)[\"']?\s*[:=]\s*[\"']?\S*$", before)
    return found[1] if found else ""


def _is_named_secret(name: str, value: str) -> bool:
    if not _SECRET_NAME.search(name.lower().replace("-", "_")) or _is_harmless(value):
        return False
    # Words joined by signs are names of things, not secrets: scram-sha-256, laksa_db_password.
    kinds = sum(bool(re.search(k, value)) for k in ("[a-z]", "[A-Z]", "[0-9]", r"[^A-Za-z0-9_.:-]"))
    return kinds >= 2 and not _is_words(value) and bits(value) >= _LEAST_BITS


def _is_words(value: str) -> bool:
    parts = re.split(r"[-_.:/]", value)
    return all(re.fullmatch(r"[A-Z]?[a-z]*|[A-Z]+|\d{1,3}|v\d+", part) for part in parts)


def _is_harmless(value: str) -> bool:
    """Whether a value is a reference to a secret, or stands in for one."""
    return bool(_SOMETHING_ELSE.match(value) or _PLACEHOLDER.search(value)) or value.startswith("{")


def bits(value: str) -> float:
    """Shannon's entropy of the letters of `value`, times their number."""
    counts = Counter(value).values()
    return -sum(n * math.log2(n / len(value)) for n in counts)


def _leak(where: str, at: str, rule: LeakRule, path: str, value: str) -> Leak:
    digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
    begins = "" if rule == "private-key" else value[:2]
    return Leak(where, at, rule, path, begins, len(value), digest)
