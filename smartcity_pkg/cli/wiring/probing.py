"""`pemda probe`: facts of the servers, beside what the profile declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from smartcity_pkg.catalogue.pemda import Measured, Server
from smartcity_pkg.cli.session import Session
from smartcity_pkg.cli.wiring.servers import targets
from smartcity_pkg.cli.workspace import shipped
from smartcity_pkg.core.errors import UsageError
from smartcity_pkg.core.i18n import _
from smartcity_pkg.core.progress import Step
from smartcity_pkg.core.units import GIB

if TYPE_CHECKING:
    from smartcity_pkg.catalogue.edit import Edit
    from smartcity_pkg.catalogue.yamlfile import Path_
    from smartcity_pkg.hosts.facts import ServerFacts
    from smartcity_pkg.hosts.linkspeed import LinkSpeed


@dataclass(frozen=True)
class Probed:
    """One server: what the profile says, what was found, over how many bytes the link was timed."""

    server: Server
    measured: Measured
    uploaded_bytes: int
    downloaded_bytes: int


def probe(
    session: Session, name: str, servers: Sequence[str] | None, today: date, *, write: bool
) -> tuple[list[Probed], Edit]:
    """Ask each server, and make the change of the profile that records it; nothing is written yet.

    `today` is the operator's date. What the profile declares is never changed. With `write`, an
    example that comes with smartcity is refused.
    """
    from smartcity_pkg.catalogue.edit import edited
    from smartcity_pkg.hosts.facts import gather
    from smartcity_pkg.hosts.linkspeed import measure_link

    path = session.workspace.profile(name)
    if write and path.resolve().is_relative_to(shipped("examples").resolve()):
        raise UsageError(
            _("{file} is an example that comes with smartcity").format(file=path.name),
            _("copy it into the folder pemda of your workspace, or give --dry-run"),
        )
    pemda = session.pemda(name)
    found = []
    for target in targets(pemda, servers):
        session.progress(Step(_("Measuring {server}").format(server=target.server.name)))
        with target.host(bulk=True) as host:
            facts = gather(host)
            link = measure_link(host) if target.server.ssh else None
        measured = measured_on(today, facts, link)
        sizes = (link.uploaded_bytes, link.downloaded_bytes) if link else (0, 0)
        found.append(Probed(target.server, measured, *sizes))
    names = [s.name for s in pemda.servers]
    values: dict[Path_, Any] = {
        ("servers", names.index(p.server.name), "measured"): p.measured.model_dump(
            exclude_none=True
        )
        for p in found
    }
    return found, edited(path, values)


def measured_on(today: date, facts: ServerFacts, link: LinkSpeed | None) -> Measured:
    """The facts in the profile's units; a link is only measured where there is one."""
    return Measured(
        date=today,
        cpus=facts.cpus,
        memory_gib=round(facts.memory_bytes / GIB, 2),
        disk_free_gib=round(facts.store_disk.free_bytes / GIB, 1),
        architecture=facts.architecture,
        engine=facts.engine.version if facts.engine else None,
        upload_mbps=link.upload_mbps if link else None,
        download_mbps=link.download_mbps if link else None,
        round_trip_ms=link.round_trip_ms if link else None,
    )


def differences(probed: Probed) -> list[tuple[str, str, str]]:
    """Field, declared and measured, where a server has less than its profile promises, or another
    processor. Memory that the kernel keeps for itself (up to 5 %) is no difference.
    """
    server, measured = probed.server, probed.measured
    found = []
    if measured.memory_gib < server.memory_gib * 0.95 or measured.memory_gib > server.memory_gib:
        found.append(("memory_gib", f"{server.memory_gib:g}", f"{measured.memory_gib:g}"))
    if measured.cpus != server.cpus:
        found.append(("cpus", f"{server.cpus:g}", f"{measured.cpus:g}"))
    if measured.disk_free_gib < server.disk_gib:
        found.append(("disk_gib", f"{server.disk_gib:g}", f"{measured.disk_free_gib:g}"))
    if measured.architecture != server.architecture:
        found.append(("architecture", server.architecture, measured.architecture))
    return found
