"""Judges whether a server can carry a release, before anything is changed: rules over facts.

Every rule is a pure function from a `Question` to findings with numbers in them; gathering the
facts is `hosts.facts`. A `block` stops the installation, a `warn` is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from packaging.version import InvalidVersion, Version

from smartcity_pkg.bundle.grant import Grant
from smartcity_pkg.catalogue.audit import audit_released
from smartcity_pkg.catalogue.exemption import judge as judge_breaches
from smartcity_pkg.catalogue.release import Release, ReleaseImage
from smartcity_pkg.core.errors import PreflightError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.units import MIB, bytes_text, seconds_text
from smartcity_pkg.hosts.facts import ServerFacts
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.selection.limits import INSTALLING, MEMORY

_OLDEST_ENGINE, _OLDEST_COMPOSE = "20.10", "2.0"
_LOAD_FACTOR = 2  # `docker load` needs twice an image's bytes for a moment (facts.md)
_FILES_BYTES = 64 * MIB  # configuration, journal, secrets
_CLOCK_S = 300
_TOOLS = ("tar", "sha256sum", "stat")

Level = Literal["warn", "block"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, with numbers, and what to do about it. Both are translated."""

    rule: str
    level: Level
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Question:
    """All that the rules look at.

    `files` are the release's rendered files by path, as they rest in the server's store; `grant` is
    what the release may run under, `before` the release that runs now, `missing` are the images to
    be loaded, `clock_s` is our own time (Unix), and `foreign_entrance` tells that somebody else
    answers on the entrance's port.
    """

    server: str
    release: Release
    facts: ServerFacts
    clock_s: float
    files: Mapping[str, bytes]
    before: Release | None = None
    missing: tuple[ReleaseImage, ...] = ()
    foreign_entrance: bool = False
    grant: Grant | None = None


def judge(question: Question) -> tuple[Finding, ...]:
    """Every finding of every rule, in the rules' order."""
    return tuple(finding for rule in RULES for finding in rule(question))


def require(server: str, findings: Iterable[Finding]) -> tuple[str, ...]:
    """The texts of the warnings; PreflightError that lists every block, if there is one."""
    found = tuple(findings)
    if blocks := [f for f in found if f.level == "block"]:
        raise PreflightError(
            _("{server} cannot carry this release; nothing was changed:").format(server=server)
            + "".join(f"\n- {f.text}" for f in blocks),
            "\n".join(dict.fromkeys(f.hint for f in blocks if f.hint)),
        )
    return tuple(f.text for f in found)


def identity(q: Question) -> Iterator[Finding]:
    """The release is meant for this server."""
    if q.server not in q.release.plan.servers:
        yield Finding(
            "identity",
            "block",
            _("the release has no app for the server {server}; it has for: {servers}").format(
                server=q.server, servers=", ".join(q.release.plan.servers)
            ),
        )


def agreement(q: Question) -> Iterator[Finding]:
    """The agreement holds today. What runs goes on, and may be repaired, when it has ended."""
    if q.grant is None:
        return
    today = datetime.fromtimestamp(q.clock_s).date()
    if why := q.grant.why_not_on(today):
        runs = q.before is not None and q.before.name == q.release.name
        yield Finding(
            "agreement",
            "warn" if runs else "block",
            why,
            _("agree anew, then: smartcity grant new {region}, pack, ship, install").format(
                region=q.release.region
            ),
        )


def architecture(q: Question) -> Iterator[Finding]:
    """The images are for this processor."""
    wrong = [i for i in q.release.images_on(q.server) if i.architecture != q.facts.architecture]
    if wrong:
        yield Finding(
            "architecture",
            "block",
            _("the image {image} is for {wanted}, the server is {found}").format(
                image=wrong[0].source, wanted=wrong[0].architecture, found=q.facts.architecture
            ),
            _("pack the release with images for {found}").format(found=q.facts.architecture),
        )


def engine_version(q: Question) -> Iterator[Finding]:
    """Docker Engine and Compose are new enough."""
    if q.facts.engine is None:
        return
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


def disk(q: Question) -> Iterator[Finding]:
    """There is room for the images while they are loaded, and for the files."""
    held = {layer for image in q.facts.images for layer in image.diff_ids}
    sizes = {la.diff_id: la.size_bytes for i in q.missing for la in i.layers}
    new_bytes = sum(size for diff_id, size in sizes.items() if diff_id not in held)
    engine, store = q.facts.engine_disk, q.facts.store_disk
    needs = [(_("Docker's disk"), engine, new_bytes * _LOAD_FACTOR)] if engine else []
    needs.append((_("the store's disk"), store, _FILES_BYTES))
    for name, file_system, need in needs:
        if file_system is not None and need > file_system.free_bytes:
            yield Finding(
                "disk",
                "block",
                _("{name} needs {need} free, and has {free}").format(
                    name=name, need=bytes_text(need), free=bytes_text(file_system.free_bytes)
                ),
                _("make room there: df -h, docker system df; remove what is not needed"),
            )


def memory(q: Question) -> Iterator[Finding]:
    """There is memory for what comes in addition to what runs now."""
    wanted = _used(q.release, q.server, MEMORY)
    running = _used(q.before, q.server, MEMORY) if q.before else 0
    peak = max(wanted, _used(q.release, q.server, INSTALLING)) - running
    if wanted > q.facts.memory_bytes:
        yield Finding(
            "memory",
            "block",
            _("the apps need {need} of memory, and the server has {total} in all").format(
                need=bytes_text(wanted), total=bytes_text(q.facts.memory_bytes)
            ),
            _("choose fewer apps, or a larger server: smartcity select"),
        )
    elif peak > q.facts.memory_available_bytes:
        yield Finding(
            "memory",
            "warn",
            _("installing needs {need} more memory, and {free} are free").format(
                need=bytes_text(peak), free=bytes_text(q.facts.memory_available_bytes)
            ),
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


def entrance(q: Question) -> Iterator[Finding]:
    """Nobody else has the port of the public entrance."""
    if q.foreign_entrance:
        yield Finding(
            "entrance",
            "block",
            _("port {port} of the entrance is in use by another program").format(
                port=q.release.entrance_ports[q.server]
            ),
            _("see which one, on the server: ss -ltnp; stop it, or choose another port"),
        )


def policy(q: Question) -> Iterator[Finding]:
    """The apps ask for nothing that the release does not say was allowed, and is still allowed."""
    today = datetime.fromtimestamp(q.clock_s, UTC).date()
    valid = [e for e in q.release.exemptions if e.counts_on(today)]
    for app in q.release.on_server(q.server):
        verdict = judge_breaches(audit_released(app, q.files, str(StorePaths().secrets)), valid)
        for breach in verdict.refused:
            yield Finding(
                "policy",
                "block",
                f"{breach.who}: {breach.text} [{breach.rule}]",
                _(
                    "do not install it; ask whoever packed it: only apps that the release names"
                    " with a reason may ask for this"
                ),
            )
        for breach, exemption in verdict.allowed:
            text = _("{who}: {text} [{rule}]; allowed by whoever packed it: {reason}")
            said = text.format(
                who=breach.who, text=breach.text, rule=breach.rule, reason=exemption.reason
            )
            yield Finding("policy", "warn", said)


Rule = Callable[[Question], Iterator[Finding]]
RULES: tuple[Rule, ...] = (
    identity,
    agreement,
    architecture,
    engine_version,
    tools,
    disk,
    memory,
    clock,
    entrance,
    policy,
)


def _used(release: Release, server: str, limit: str) -> float:
    """Bytes of memory that the plan says the server's apps use."""
    amounts = (u.used for u in release.plan.usage if u.scope == server and u.limit == limit)
    return sum(amounts) * MIB


def _version(text: str) -> Version:
    """The numbers at the start of a version such as `26.1.5+dfsg1` or `v2.26.1-4`."""
    start = text.lstrip("v").split("-")[0].split("+")[0].split("~")[0]
    try:
        return Version(start)
    except InvalidVersion:
        return Version("0")
