"""Volumes of the source: named ones stay, folders of the host become named ones or go.

An app's folder holds no files for the host to mount: configuration is rendered from templates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from smartcity_pkg.catalogue.app import MARKER
from smartcity_pkg.catalogue.importing.ledger import Ledger
from smartcity_pkg.catalogue.importing.secrets import free_name
from smartcity_pkg.catalogue.importing.variables import Variables
from smartcity_pkg.catalogue.yamlfile import Path_
from smartcity_pkg.core.i18n import _

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_CLOCK = frozenset({"/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"})
_SYSTEM = re.compile(r"/(?:var/run|run|proc|sys|dev|etc|lib|boot|root|usr|var/lib/docker)?(?:/|$)")
_FILE = re.compile(
    r"[^/]*\.(?:conf|cnf|cfg|ini|json|ya?ml|toml|env|sh|sql|xml|php|py|js|lua|pem|crt|cer|key|p12"
    r"|properties|html?|css|txt|rules|tmpl|template|config|hcl|acl|gz|htpasswd)"
    r"|(?:Caddyfile|Corefile|dockerd?|passwd|hosts|resolv\.conf|crontab|\.\w[^/]*)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mount:
    """One entry of `volumes`, whatever its form."""

    kind: str
    source: str
    target: str
    read_only: bool = False
    size: int | None = None


@dataclass
class Mounts:
    """Which named volumes the draft has, and what each folder of the host became."""

    ledger: Ledger
    variables: Variables
    declared: dict[str, Any]
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _of_folder: dict[str, str] = field(default_factory=dict)

    def converted(self, entries: object, service: str, at: Path_) -> list[Any]:
        """The `volumes` of one service as the draft has them."""
        if not isinstance(entries, list):
            self.ledger.unreadable(at)
            return []
        kept: list[Any] = []
        for i, entry in enumerate(entries):
            mount = self._read(entry)
            if mount is None or not mount.target.startswith("/"):
                self.ledger.unreadable((*at, i))
                continue
            written = self._written(mount, service, (*at, i), (*at, len(kept)))
            if written is not None and written not in kept:
                kept.append(written)
        return kept

    def _read(self, entry: object) -> Mount | None:
        if isinstance(entry, str):
            return _short(self._quiet(entry))
        if not isinstance(entry, dict):
            return None
        kind = entry.get("type")
        if kind not in ("volume", "bind", "tmpfs"):
            return None
        options = entry.get("tmpfs")
        size = options.get("size") if isinstance(options, dict) else None
        return Mount(
            kind,
            self._quiet(str(entry.get("source") or "")),
            self._quiet(str(entry.get("target") or "")),
            entry.get("read_only") is True,
            size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None,
        )

    def _quiet(self, text: str) -> str:
        """`text` without variables; those of paths on the host are nothing to ask a person for."""
        return self.variables.resolve(text, asking=False)

    def _written(self, mount: Mount, service: str, at: Path_, draft_at: Path_) -> Any:
        if mount.kind == "tmpfs":
            tmpfs = {"tmpfs": {"size": mount.size}} if mount.size else {}
            return {"type": "tmpfs", "target": mount.target, **tmpfs}
        if mount.kind == "bind":
            name = self._instead_of_folder(mount, service, at, draft_at)
        elif not mount.source:
            name = self._new(f"{service}-{_last(mount.target)}")
            what = _("the volume at {target} has no name; it is called “{name}” now")
            self.ledger.changed(at, what.format(target=mount.target, name=name))
        else:
            name = self._named(mount.source, at)
        if not name:
            return None
        return f"{name}:{mount.target}" + (":ro" if mount.read_only else "")

    def _instead_of_folder(self, mount: Mount, service: str, at: Path_, draft_at: Path_) -> str:
        source, target = mount.source, mount.target
        if source.rstrip("/") in _CLOCK or target in _CLOCK:
            self.ledger.note(at, _("the server's clock settings are not mounted: TZ says the zone"))
        elif source.endswith("docker.sock"):
            self.ledger.dropped(
                at,
                _("the engine's socket is not mounted: it would give the app the whole server"),
                _("see whether the app works without {path}; else it cannot be taken over").format(
                    path=target
                ),
                draft_at[:2],
            )
        elif _SYSTEM.match(source) and not source.startswith("/root/"):
            self.ledger.dropped(
                at,
                _("the server's own {path} is not mounted").format(path=source[:80]),
                _("see whether the app works without {path}").format(path=target[:80]),
                draft_at[:2],
            )
        elif _FILE.fullmatch(_last(source, keep=True)) or _FILE.fullmatch(_last(target, keep=True)):
            self.ledger.dropped(
                at,
                _("the file {source} for {target} is not in the draft").format(
                    source=source[:80], target=target[:80]
                ),
                _("write it as a template: templates/NAME.j2, listed under x-smartcity.files"),
                ("x-smartcity",),
            )
        else:
            return self._of(source, service, mount, at, draft_at)
        return ""

    def _of(self, source: str, service: str, mount: Mount, at: Path_, draft_at: Path_) -> str:
        """The named volume in place of a folder of the host; one folder is one volume."""
        if source not in self._of_folder:
            self._of_folder[source] = self._new(f"{service}-{_last(mount.target)}")
        name = self._of_folder[source]
        self.ledger.changed(
            at,
            _("the server's folder {source} became the volume “{name}”").format(
                source=source.replace(MARKER, "…")[:80], name=name
            ),
            _("if {target} needs files at the first start, put them into the image").format(
                target=mount.target[:80]
            )
            if source.startswith(".") and mount.read_only
            else "",
            draft_at,
        )
        return name

    def _named(self, wanted: str, at: Path_) -> str:
        name = wanted if _NAME.fullmatch(wanted) else _slug(wanted)
        fields = self.declared.get(wanted)
        if name not in self.volumes and isinstance(fields, dict):
            top: Path_ = ("volumes", wanted)
            if fields.get("external"):
                what = _("the volume “{name}” belongs to others; the draft has one of its own")
                todo = _("see whether its data must be moved into the app's own volume")
                self.ledger.changed((*top, "external"), what.format(name=name), todo, top)
            if fields.get("driver") not in (None, "local") or fields.get("driver_opts"):
                what = _("where the volume “{name}” lies is for the server to say")
                todo = _("mount that storage on the server below Docker's own folder, if needed")
                self.ledger.dropped((*top, "driver_opts"), what.format(name=name), todo, top)
        self.volumes.setdefault(name, {})
        return name

    def _new(self, wanted: str) -> str:
        name = free_name(_slug(wanted), {*self.volumes, *self.declared}, 60)
        self.volumes[name] = {}
        return name


def _short(text: str) -> Mount | None:
    """`[SOURCE:]TARGET[:OPTIONS]`."""
    parts = text.split(":")
    if (
        parts[0].isalpha()
        and len(parts[0]) == 1
        and len(parts) > 1
        and parts[1].startswith(("/", "\\"))
    ):
        parts[:2] = [":".join(parts[:2])]  # a drive of Windows
    if len(parts) == 1:
        return Mount("volume", "", parts[0])
    if len(parts) > 3:
        return None
    source, target = parts[0], parts[1]
    options = parts[2].split(",") if len(parts) == 3 else []
    folder = source.startswith(("/", ".", "~", "\\")) or MARKER in source or ":" in source
    kind = "bind" if folder or "/" in source else "volume"
    return Mount(kind, source, target, "ro" in options)


def _last(path: str, *, keep: bool = False) -> str:
    last = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return last if keep else (last or "data")


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text[:200].lower()).strip("-")[:60].strip("-")
    return slug or "data"
