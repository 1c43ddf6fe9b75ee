"""Judges whether a server can carry a release, before anything is changed: rules over facts.

Every rule is a pure function from a `Question` to findings with numbers in them; gathering the
facts is `hosts.facts` and `hosts.surroundings`. A `block` stops the installation, a `warn` stops it
until it is accepted by the rule's name. What needs no release to be judged is in `premises`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from smartcity_pkg.catalogue.audit import audit_released
from smartcity_pkg.catalogue.exemption import judge as judge_breaches
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core.errors import PreflightError, UsageError
from smartcity_pkg.core.i18n import N_, _
from smartcity_pkg.core.units import MIB, bytes_text
from smartcity_pkg.hosts.facts import FileSystem, make_room
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install import premises
from smartcity_pkg.install.question import Finding, Question
from smartcity_pkg.selection.limits import INSTALLING, MEMORY

_LOAD_FACTOR = 2  # `docker load` needs twice an image's bytes for a moment (facts.md)
_FILES_BYTES = 64 * MIB  # configuration, journal, secrets
_CONTAINERS_BYTES = 16 * MIB  # what new ones write and log until they are well
_TEMPORARY_BYTES = 16 * MIB  # what Compose and the shell put down for a moment


@dataclass(frozen=True)
class Rule:
    """One rule: the name it is accepted by, what it asks in words, and the asking."""

    id: str
    title: str
    findings: Callable[[Question], Iterator[Finding]]
    needs_release: bool = False


def judge(question: Question) -> tuple[Finding, ...]:
    """Every finding of every rule that can be asked, in the rules' order."""
    return tuple(f for f in judge_all(question) if f.level != "pass")


def judge_all(question: Question) -> tuple[Finding, ...]:
    """As `judge`, with a `pass` for each rule that finds nothing."""
    found: list[Finding] = []
    for rule in RULES:
        if question.release is not None or not rule.needs_release:
            passed = Finding(rule.id, "pass", _(rule.title))
            found += tuple(rule.findings(question)) or (passed,)
    return tuple(found)


def require(
    server: str, findings: Iterable[Finding], accept: Collection[str] = ()
) -> tuple[Finding, ...]:
    """The warnings; PreflightError that lists each block and each warning that must be accepted.

    UsageError where `accept` names a rule that there is not.
    """
    check_names(accept)
    found = tuple(f for f in findings if f.level != "pass")
    blocks = [f for f in found if f.level == "block"]
    open_warnings = [
        f for f in found if f.level == "warn" and not f.told_only and f.rule not in accept
    ]
    if not blocks and not open_warnings:
        return found
    cures = [f.hint for f in (*blocks, *open_warnings) if f.hint]
    if not blocks:
        names = " ".join(
            f"--accept {name}" for name in dict.fromkeys(f.rule for f in open_warnings)
        )
        cures.append(_("or, knowing that, go on with: {options}").format(options=names))
    raise PreflightError(
        _("{server} cannot carry this release; nothing was changed:").format(server=server)
        + "".join(f"\n- {f.text}" for f in (*blocks, *open_warnings)),
        "\n".join(dict.fromkeys(cures)),
    )


def check_names(accept: Collection[str]) -> None:
    """UsageError where a rule's name is none."""
    known = [rule.id for rule in RULES]
    if unknown := sorted(set(accept) - set(known)):
        raise UsageError(
            _("--accept: there is no rule {names}").format(names=", ".join(unknown)),
            _("known: {names}").format(names=", ".join(known)),
        )


def identity(q: Question) -> Iterator[Finding]:
    """The release is meant for this server."""
    if q.server not in _release(q).plan.servers:
        yield Finding(
            "identity",
            "block",
            _("the release has no app for the server {server}; it has for: {servers}").format(
                server=q.server, servers=", ".join(_release(q).plan.servers)
            ),
            _("give one of those servers (--server), or plan anew: smartcity select"),
        )


def agreement(q: Question) -> Iterator[Finding]:
    """The agreement holds today. What runs goes on, and may be repaired, when it has ended."""
    if q.grant is None:
        return
    today = datetime.fromtimestamp(q.clock_s).date()
    if why := q.grant.why_not_on(today):
        runs = q.before is not None and q.before.name == _release(q).name
        yield Finding(
            "agreement",
            "warn" if runs else "block",
            why,
            _("agree anew, then: smartcity grant new {region}, pack, ship, install").format(
                region=_release(q).region
            ),
            told_only=True,
        )


def architecture(q: Question) -> Iterator[Finding]:
    """The images are for this processor."""
    wrong = [i for i in _release(q).images_on(q.server) if i.architecture != q.facts.architecture]
    if wrong:
        yield Finding(
            "architecture",
            "block",
            _("the image {image} is for {wanted}, the server is {found}").format(
                image=wrong[0].source, wanted=wrong[0].architecture, found=q.facts.architecture
            ),
            _("pack the release with images for {found}").format(found=q.facts.architecture),
        )


def disk(q: Question) -> Iterator[Finding]:
    """There is room for the images while they are loaded, and for files, on each file system.

    Where two of the places share a file system, their needs add up.
    """
    held = {layer for image in q.facts.images for layer in image.diff_ids}
    sizes = {la.diff_id: la.size_bytes for i in q.missing for la in i.layers}
    new_bytes = sum(size for diff_id, size in sizes.items() if diff_id not in held)
    places: list[tuple[str, FileSystem | None, int]] = [
        (_("Docker's disk"), q.facts.engine_disk, new_bytes * _LOAD_FACTOR + _CONTAINERS_BYTES),
        (_("the store's disk"), q.facts.store_disk, _FILES_BYTES),
        (
            _("the temporary folder's disk"),
            q.around.temporary_disk if q.around else None,
            _TEMPORARY_BYTES,
        ),
    ]
    by_device: dict[int, list[tuple[str, FileSystem, int]]] = {}
    for name, found, need in places:
        if found is not None and need:
            by_device.setdefault(found.device, []).append((name, found, need))
    for sharing in by_device.values():
        need = sum(n for _name, _fs, n in sharing)
        free = min(found.free_bytes for _name, found, _need in sharing)
        if need > free:
            yield Finding(
                "disk",
                "block",
                _("{name} needs {need} free, and has {free}").format(
                    name=" + ".join(name for name, _fs, _need in sharing),
                    need=bytes_text(need),
                    free=bytes_text(free),
                ),
                make_room(),
            )


def memory(q: Question) -> Iterator[Finding]:
    """There is memory for what comes in addition to what runs now."""
    wanted = _used(_release(q), q.server, MEMORY)
    running = _used(q.before, q.server, MEMORY) if q.before else 0
    peak = max(wanted, _used(_release(q), q.server, INSTALLING)) - running
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
            _("stop what the server does not need, or choose fewer apps: smartcity select"),
        )


def policy(q: Question) -> Iterator[Finding]:
    """The apps ask for nothing that the release does not say was allowed, and is still allowed."""
    today = datetime.fromtimestamp(q.clock_s, UTC).date()
    valid = [e for e in _release(q).exemptions if e.counts_on(today)]
    for app in _release(q).on_server(q.server):
        verdict = judge_breaches(
            audit_released(app, q.files or {}, str(StorePaths().secrets)), valid
        )
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
            yield Finding("policy", "warn", said, told_only=True)


def room(q: Question) -> tuple[Finding, ...]:
    """What the rules about disks find."""
    return (*disk(q), *premises.inodes(q))


RULES: tuple[Rule, ...] = (
    Rule("identity", N_("The release is for this server."), identity, True),
    Rule("agreement", N_("The agreement holds today."), agreement, True),
    Rule("architecture", N_("The images are for this processor."), architecture, True),
    Rule("engine", N_("Docker Engine and Compose answer and are new enough."), premises.engine),
    Rule("tools", N_("The programs that an installation needs are there."), premises.tools),
    Rule("zstd", N_("zstd is there, so that little need be sent."), premises.zstd),
    Rule("disk", N_("Every file system has room."), disk),
    Rule("inodes", N_("Every file system can take more files."), premises.inodes),
    Rule("memory", N_("There is memory for the apps and for installing them."), memory, True),
    Rule("clock", N_("The server's clock is right."), premises.clock),
    Rule("entrance", N_("No other program has the ports of the apps."), premises.ports, True),
    Rule("names", N_("The public names lead somewhere."), premises.names),
    Rule(
        "firewall", N_("No firewall rule that can be seen shuts citizens out."), premises.firewall
    ),
    Rule("leftovers", N_("No containers of others bear our names."), premises.leftovers, True),
    Rule("policy", N_("The apps ask for nothing that is not allowed."), policy, True),
)


def _used(release: Release, server: str, limit: str) -> float:
    """Bytes of memory that the plan says the server's apps use."""
    amounts = (u.used for u in release.plan.usage if u.scope == server and u.limit == limit)
    return sum(amounts) * MIB


def _release(q: Question) -> Release:
    assert q.release is not None, "rules that need a release are asked only with one"
    return q.release
