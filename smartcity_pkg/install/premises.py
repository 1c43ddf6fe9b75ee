"""The preflight rules about the server as it is: engine, tools, clock, ports, names, leftovers.

Pure, as in `preflight`, which lists them and judges what a release needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import number_text, seconds_text
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install.question import Finding, Question

_OLDEST_ENGINE, _OLDEST_COMPOSE = "20.10", "2.0"
_CLOCK_S = 300
_TOOLS = ("tar", "sha256sum", "stat")
_INODES = 5_000  # a Debian image with Python has about as many files
# The variables by which Compose files are told the ports that they publish (render/envfile.py).
_PORT_LINE = re.compile(rb"^[A-Z][A-Z0-9_]*PORT=\"?(\d{1,5})\"?$", re.MULTILINE)


def engine(q: Question) -> Iterator[Finding]:
    """Docker Engine and Compose answer and are new enough."""
    if q.facts.engine is None:
        yield Finding(
            "engine",
            "block",
            _("Docker is installed, but its daemon does not answer")
            if q.facts.docker_installed
            else _("there is no Docker on the server"),
            _("start it: systemctl start docker; or install Docker Engine 20.10 or newer"),
        )
        return
    if not q.facts.engine.compose_version:
        yield Finding(
            "engine",
            "block",
            _("the Compose plugin of Docker is missing (docker compose)"),
            _("install it there: apt-get install docker-compose (Debian 13)"),
        )
    for name, found, oldest in (
        ("Docker Engine", q.facts.engine.version, _OLDEST_ENGINE),
        ("Docker Compose", q.facts.engine.compose_version, _OLDEST_COMPOSE),
    ):
        if found and _version(found) < Version(oldest):
            yield Finding(
                "engine",
                "block",
                _("{name} is {found}, needed is {oldest} or newer").format(
                    name=name, found=found, oldest=oldest
                ),
                _("update it there, for instance by updating the server's Debian"),
            )


def tools(q: Question) -> Iterator[Finding]:
    """The programs that the installation uses are there."""
    if missing := [t for t in _TOOLS if t not in q.facts.tools]:
        yield Finding(
            "tools",
            "block",
            _("the server lacks: {tools}").format(tools=", ".join(missing)),
            _("install them there: apt-get install tar coreutils"),
        )


def zstd(q: Question) -> Iterator[Finding]:
    """Patches need zstd on the server; without it, whole layers are sent."""
    if "zstd" not in q.facts.tools:
        yield Finding(
            "zstd",
            "warn",
            _("the server has no zstd, so updates are sent whole and take longer"),
            _("install it there: apt-get install zstd"),
            told_only=True,
        )


def inodes(q: Question) -> Iterator[Finding]:
    """A file system without inodes is full, whatever its free bytes are."""
    names = {
        "store": _("the store's disk"),
        "engine": _("Docker's disk"),
        "temporary": _("the temporary folder's disk"),
    }
    for key, found in q.around.inodes.items() if q.around else ():
        if found.total and found.free < _INODES:
            yield Finding(
                "inodes",
                "block",
                _("{name} can take {free} more files (inodes), needed are {need}").format(
                    name=names[key], free=number_text(found.free), need=number_text(_INODES)
                ),
                _("remove many small files there; see: df -i"),
            )


def clock(q: Question) -> Iterator[Finding]:
    """The server's clock is about right: citizens' records bear its time."""
    off_s = abs(q.facts.clock_s - q.clock_s)
    if off_s > _CLOCK_S:
        yield Finding(
            "clock",
            "warn",
            _("the server's clock differs from ours by {off}").format(off=seconds_text(off_s)),
            _("set it there: timedatectl set-ntp true"),
        )


def ports(q: Question) -> Iterator[Finding]:
    """Nobody else has a port that the apps of this server publish."""
    if q.around is None:
        return
    published = {port: c for c in q.around.containers for port in c.ports}
    for port in sorted(_wanted_ports(q)):
        by = published.get(port)
        if by is not None and not _ours(by.files):
            who = _("the container {name}").format(name=by.name)
        elif by is None and port in q.around.listening:
            who = _("another program")
        else:
            continue
        yield Finding(
            "entrance",
            "block",
            _("port {port} of the entrance is in use by {who}").format(port=port, who=who),
            _("see which one, on the server: ss -ltnp; stop it, or choose another port"),
        )


def names(q: Question) -> Iterator[Finding]:
    """The server itself finds the public names; whom they lead to is not judged (NAT)."""
    for name, addresses in q.around.names.items() if q.around else ():
        if not addresses:
            yield Finding(
                "names",
                "warn",
                _("the public name {name} leads nowhere").format(name=name),
                _("have {name} entered in DNS with this server's public address").format(name=name),
                told_only=True,
            )


def firewall(q: Question) -> Iterator[Finding]:
    """Rules in the way of published ports, as far as a look at this machine can show them."""
    if q.around and q.around.firewall:
        yield Finding(
            "firewall",
            "warn",
            _("the firewall may keep citizens out: {rules}").format(
                rules="; ".join(q.around.firewall)
            ),
            _("see that the ports of the entrance are let through; ask from another machine"),
            told_only=True,
        )


def leftovers(q: Question) -> Iterator[Finding]:
    """Containers that bear a project's name of ours, and were not made from our releases."""
    if q.around is None or q.release is None:
        return
    projects = {a.project for a in q.release.on_server(q.server)}
    found = [c.name for c in q.around.containers if c.project in projects and not _ours(c.files)]
    if found:
        yield Finding(
            "leftovers",
            "warn",
            _("containers that smartcity did not start would be replaced: {names}").format(
                names=", ".join(found)
            ),
            _("look at them, and remove them if nobody needs them: docker rm --force NAME"),
        )


def _wanted_ports(q: Question) -> set[int]:
    """The entrance's port, and what the apps' environment files say."""
    if q.release is None:
        return set()
    entrance = q.release.entrance_ports.get(q.server)
    wanted = {entrance} if entrance is not None else set()
    for app in q.release.on_server(q.server):
        text = (q.files or {}).get(app.env_file, b"")
        wanted |= {int(number) for number in _PORT_LINE.findall(text)}
    return wanted


def _ours(files: tuple[str, ...]) -> bool:
    return bool(files) and files[0].startswith(f"{StorePaths().releases}/")


def _version(text: str) -> Version:
    """The numbers at the start of a version such as `26.1.5+dfsg1` or `v2.26.1-4`."""
    start = text.lstrip("v").split("-")[0].split("+")[0].split("~")[0]
    try:
        return Version(start)
    except InvalidVersion:
        return Version("0")
