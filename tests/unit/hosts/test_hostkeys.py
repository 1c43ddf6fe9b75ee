from __future__ import annotations

import base64
import hmac
import struct

import pytest

from smartcity_pkg.core.errors import HostKeyError
from smartcity_pkg.hosts import hostkeys
from smartcity_pkg.hosts.hostkeys import Expected, HostKey, judge, known, parse_key, pinned


def key(kind: str = "ssh-ed25519", body: bytes = b"k" * 32) -> HostKey:
    name = kind.encode()
    return HostKey(kind, struct.pack(">I", len(name)) + name + struct.pack(">I", len(body)) + body)


ONE, OTHER, RSA = key(), key(body=b"o" * 32), key("ssh-rsa", b"n" * 256)
SALT = b"s" * 20


def hashed(name: str) -> str:
    digest = hmac.digest(SALT, name.encode(), "sha1")
    return "|1|" + base64.b64encode(SALT).decode() + "|" + base64.b64encode(digest).decode()


def test_the_fingerprint_is_the_one_that_ssh_keygen_shows() -> None:
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    # github.com's key; its owner publishes this fingerprint.
    assert parse_key(line).fingerprint == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    assert parse_key(line + " comment").line == line


@pytest.mark.parametrize(
    "line",
    {
        "empty": "",
        "type alone": "ssh-ed25519",
        "not base64": "ssh-ed25519 ???",
        "cut": "ssh-ed25519 AAAA",
        "another type inside": "ssh-rsa " + ONE.line.split()[1],
    }.values(),
)
def test_what_is_not_a_key_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_key(line)
    with pytest.raises(HostKeyError):
        pinned(line, "the profile")


@pytest.mark.parametrize(
    ("line", "port", "found"),
    {
        "plain": (f"srv.go.id {ONE.line}", 22, True),
        "in a list": (f"a,srv.go.id,b {ONE.line} root@srv", 22, True),
        "other case": (f"SRV.go.ID {ONE.line}", 22, True),
        "other name": (f"srv2.go.id {ONE.line}", 22, False),
        "pattern": (f"*.go.id {ONE.line}", 22, True),
        "negated": (f"*.go.id,!srv.go.id {ONE.line}", 22, False),
        "with port": (f"[srv.go.id]:2222 {ONE.line}", 2222, True),
        "plain name, other port": (f"srv.go.id {ONE.line}", 2222, False),
        "hashed": (f"{hashed('srv.go.id')} {ONE.line}", 22, True),
        "hashed with port": (f"{hashed('[srv.go.id]:2222')} {ONE.line}", 2222, True),
        "hashed other": (f"{hashed('x.go.id')} {ONE.line}", 22, False),
        "broken hash": (f"|1|nonsense {ONE.line}", 22, False),
        "comment": (f"# srv.go.id {ONE.line}", 22, False),
        "certificate authority": (f"@cert-authority srv.go.id {ONE.line}", 22, False),
        "unreadable key": ("srv.go.id ssh-ed25519 xyz", 22, False),
        "short": ("srv.go.id", 22, False),
    }.values(),
)
def test_known_hosts_is_read_as_openssh_reads_it(line: str, port: int, found: bool) -> None:
    expected = known(f"\n{line}\n", "srv.go.id", port, "known_hosts")
    assert expected.keys == ((ONE,) if found else ())


def test_the_expected_key_passes_among_several() -> None:
    judge(ONE, Expected("f", (RSA, ONE)), "pemda", "srv", 22)


def test_an_unknown_key_is_shown_with_how_to_check_it_and_where_to_put_it() -> None:
    with pytest.raises(HostKeyError) as caught:
        judge(ONE, Expected("/k/known_hosts"), "pemda", "srv", 2222)
    assert ONE.line in caught.value.message
    assert ONE.fingerprint in caught.value.message
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in caught.value.hint
    assert f"[srv]:2222 {ONE.line}" in caught.value.hint
    assert "/k/known_hosts" in caught.value.hint
    assert not caught.value.transient


def test_a_changed_key_names_both_fingerprints_and_that_nothing_was_sent() -> None:
    with pytest.raises(HostKeyError) as caught:
        judge(OTHER, Expected("the profile", (ONE,)), "pemda", "srv", 22)
    assert ONE.fingerprint in caught.value.message
    assert OTHER.fingerprint in caught.value.message
    assert "nothing was sent" in caught.value.message


def test_a_revoked_key_is_refused_even_where_it_is_also_known() -> None:
    text = f"srv {ONE.line}\n@revoked * {ONE.line}\n"
    with pytest.raises(HostKeyError, match="revoked"):
        judge(ONE, hostkeys.known(text, "srv", 22, "f"), "pemda", "srv", 22)
