"""A control group of its own for each practice server, so that nothing of it stays behind.

Docker makes its containers' groups below the server's. Works with cgroup v1 hierarchies (one mount
a controller, as on Debian 12 with the legacy layout) and with cgroup v2 alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from smartcity_pkg.core.errors import LabError
from smartcity_pkg.core.i18n import _, os_text
from smartcity_pkg.lab.command import wait_until


@dataclass(frozen=True)
class CgroupHierarchy:
    """One mounted hierarchy: `controllers` as for `mount -o` ("" is v2), `own` is our group."""

    controllers: str
    own: Path


def hierarchies() -> list[CgroupHierarchy]:
    """The hierarchies that a server gets: those of v1, or else the one of v2."""
    mounts = _mounts()
    v1: list[CgroupHierarchy] = []
    v2: list[CgroupHierarchy] = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        root = mounts.get(_key(controllers))
        if root is None:
            continue
        own = root / path.lstrip("/")
        found = CgroupHierarchy(controllers, own if own.is_dir() else root)
        # In v2 a group with processes has no children with controllers: begin at the root.
        v2.append(CgroupHierarchy("", root)) if number == "0" else v1.append(found)
    return v1 if any("memory" in h.controllers for h in v1) else v2


def make_groups(name: str) -> list[tuple[str, Path]]:
    """Make the group `name` in every hierarchy; gives (controllers, its path)."""
    groups = []
    for hierarchy in hierarchies():
        group = hierarchy.own / name
        try:
            group.mkdir(exist_ok=True)
            if "cpuset" in hierarchy.controllers.split(","):
                _inherit_cpuset(hierarchy.own, group)
        except OSError as error:
            raise LabError(
                _("cannot make the control group {path}: {reason}").format(
                    path=group, reason=os_text(error)
                ),
                _("The lab needs root on a machine or in a container that may make cgroups."),
            ) from error
        groups.append((hierarchy.controllers, group))
    if not groups:
        raise LabError(_("this machine has no cgroup hierarchy mounted"))
    return groups


def remove_groups(name: str) -> None:
    """Remove the group `name` everywhere; its processes must be gone. Idempotent."""
    for hierarchy in hierarchies():
        group = hierarchy.own / name
        # The kernel lets go of a dead process's group a little later.
        wait_until(partial(_removed, group), timeout_s=5)


def memory_group(name: str) -> Path:
    """The group `name` in the hierarchy that counts memory: v1's of that controller, or v2."""
    found = [
        h for h in hierarchies() if h.controllers == "" or "memory" in h.controllers.split(",")
    ]
    return found[0].own / name


def group_names(prefix: str) -> set[str]:
    """The groups that begin with `prefix`, in any hierarchy."""
    return {g.name for h in hierarchies() for g in h.own.glob(f"{prefix}*") if g.is_dir()}


def _removed(group: Path) -> bool:
    if not group.is_dir():
        return True
    below = sorted((p for p in group.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts))
    try:
        for folder in [*below, group]:
            folder.rmdir()
    except OSError:
        return False
    return True


def _inherit_cpuset(parent: Path, group: Path) -> None:
    """A new v1 cpuset is empty, and an empty one takes no process."""
    (group / "cgroup.clone_children").write_text("1")
    for file in ("cpuset.cpus", "cpuset.mems"):
        if not (group / file).read_text().strip():
            (group / file).write_text((parent / file).read_text())


def _mounts() -> dict[frozenset[str], Path]:
    """Mount points by the set of their mount options; v2 is the empty set."""
    found: dict[frozenset[str], Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ", 1)
        kind, _source, options = after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            # The superblock's options of v1 are its controllers, after "rw" and the like.
            key = (
                _key(options) - {"rw", "ro", "xattr", "clone_children"} if kind == "cgroup" else ""
            )
            found.setdefault(frozenset(key), Path(before.split(" ")[4]))
    return found


def _key(controllers: str) -> frozenset[str]:
    return frozenset(part for part in controllers.split(",") if part)
