"""Whether the host key that a server shows is the one expected; pure. Reading it is `hosts.ssh`'s.

known_hosts is read as sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT", describes it: hashed names, patterns,
`[host]:port` and `@revoked`. `@cert-authority` lines are ignored: host certificates are not used.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import struct
from dataclasses import dataclass

from smartcity_pkg.core.errors import HostKeyError
from smartcity_pkg.core.i18n import _


@dataclass(frozen=True)
class HostKey:
    """A server's public key: its type as OpenSSH names it, and its bytes."""

    type: str
    blob: bytes

    @property
    def line(self) -> str:
        """As profiles and known_hosts write it: `ssh-ed25519 AAAA…`."""
        return f"{self.type} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` shows it: `SHA256:…`."""
        text = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"SHA256:{text}"


def parse_key(line: str) -> HostKey:
    """The key that `ssh-ed25519 AAAA… [comment]` says; ValueError where it says none.

    The type is also inside the bytes (RFC 4253, 6.6); a line whose two types differ is refused.
    """
    fields = line.split()
    if len(fields) < 2:
        raise ValueError(line)
    try:
        blob = base64.b64decode(fields[1], validate=True)
        (length,) = struct.unpack_from(">I", blob)
    except (binascii.Error, struct.error) as error:
        raise ValueError(line) from error
    if blob[4 : 4 + length] != fields[0].encode():
        raise ValueError(line)
    return HostKey(fields[0], blob)


@dataclass(frozen=True)
class Expected:
    """The keys that a server may show, those it must not, and the place that says so."""

    place: str
    keys: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()


def pinned(host_key: str, place: str) -> Expected:
    """What a profile's `host_key` expects; HostKeyError where it is not a key."""
    try:
        return Expected(place, (parse_key(host_key),))
    except ValueError as error:
        raise HostKeyError(
            _("{place}: “{line}” is not a host key").format(place=place, line=host_key[:60]),
            _("it looks like: ssh-ed25519 AAAA… (from /etc/ssh/ssh_host_ed25519_key.pub there)"),
        ) from error


def known(text: str, host: str, port: int, place: str) -> Expected:
    """What the known_hosts file `text` expects of `host`; lines it cannot read are passed over."""
    wanted = host.lower() if port == 22 else f"[{host.lower()}]:{port}"
    keys: list[HostKey] = []
    revoked: list[HostKey] = []
    for line in text.splitlines():
        fields = line.split()
        into = keys
        if fields and fields[0] == "@revoked":
            into = revoked
            fields = fields[1:]
        if len(fields) < 3 or fields[0].startswith(("#", "@")) or not _names(fields[0], wanted):
            continue
        try:
            into.append(parse_key(" ".join(fields[1:3])))
        except ValueError:
            continue
    return Expected(place, tuple(keys), tuple(revoked))


def _names(field: str, wanted: str) -> bool:
    if field.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part) for part in field[3:].split("|"))
        except ValueError:
            return False
        return hmac.compare_digest(hmac.digest(salt, wanted.encode(), "sha1"), digest)
    found = False
    for pattern in field.lower().split(","):
        plain = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatch.fnmatchcase(wanted, plain):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def judge(shown: HostKey, expected: Expected, name: str, host: str, port: int) -> None:
    """Return if `shown` is expected; otherwise HostKeyError that says how to find out the truth."""
    if shown in expected.keys and shown not in expected.revoked:
        return
    known_name = host if port == 22 else f"[{host}]:{port}"
    if shown in expected.revoked:
        raise HostKeyError(
            _("{name}: the host key {fingerprint} is marked revoked in {place}").format(
                name=name, fingerprint=shown.fingerprint, place=expected.place
            ),
            _("do not go on; ask the people who run the server"),
        )
    if not expected.keys:
        raise HostKeyError(
            _(
                "{name}: the host key of {host} is not known yet; nothing was sent.\n"
                "It shows: {line}\nFingerprint: {fingerprint}"
            ).format(name=name, host=known_name, line=shown.line, fingerprint=shown.fingerprint),
            _(
                "ask the pemda, by telephone for instance, to run on the server: "
                "ssh-keygen -lf /etc/ssh/ssh_host_{short}_key.pub\n"
                "If the fingerprints are equal, put the key into the profile "
                '(servers: ssh: host_key: "{line}") or the line “{known_name} {line}” into {place}'
            ).format(
                short=_short(shown.type),
                line=shown.line,
                known_name=known_name,
                place=expected.place,
            ),
        )
    raise HostKeyError(
        _(
            "{name}: the host key of {host} has changed; nothing was sent.\n"
            "Expected ({place}): {expected}\nGot: {shown}"
        ).format(
            name=name,
            host=known_name,
            place=expected.place,
            expected=", ".join(f"{k.type} {k.fingerprint}" for k in expected.keys),
            shown=f"{shown.type} {shown.fingerprint}",
        ),
        _(
            "either the server was installed anew or someone stands between: ask the pemda, by "
            "telephone for instance, for its fingerprint (ssh-keygen -lf "
            "/etc/ssh/ssh_host_{short}_key.pub). Only if it is equal, replace the old key in "
            "{place} by: {line}"
        ).format(short=_short(shown.type), place=expected.place, line=shown.line),
    )


def _short(key_type: str) -> str:
    if key_type.startswith("ecdsa"):
        return "ecdsa"
    return key_type.removeprefix("ssh-")
