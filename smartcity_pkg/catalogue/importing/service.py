"""One service of the source in the words that Compose and docker stack share.

Each key has its own way: some stay as they are, some are said otherwise, all others go, with a row
in the ledger. Volumes, secrets and ports have modules of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smartcity_pkg.catalogue import compose, plaintext
from smartcity_pkg.catalogue.app import MARKER
from smartcity_pkg.catalogue.audit import MOVING_TAGS
from smartcity_pkg.catalogue.importing.deploy import deploy_of, size_text
from smartcity_pkg.catalogue.importing.environment import environment_of
from smartcity_pkg.catalogue.importing.ledger import Ledger
from smartcity_pkg.catalogue.importing.mounts import Mounts
from smartcity_pkg.catalogue.importing.secrets import Secrets
from smartcity_pkg.catalogue.importing.stores import PROXY_LABELS
from smartcity_pkg.catalogue.importing.variables import Variables
from smartcity_pkg.catalogue.subset import FORBIDDEN
from smartcity_pkg.catalogue.yamlfile import Path_
from smartcity_pkg.core.i18n import N_, _

_TEXT, _TRUTH, _LIST, _WORDS, _FIELDS, _LIST_OR_FIELDS = range(6)
_KEPT = {
    **dict.fromkeys(
        ("hostname", "user", "working_dir", "stop_signal", "stop_grace_period", "isolation"), _TEXT
    ),
    **dict.fromkeys(("init", "read_only", "stdin_open", "tty"), _TRUTH),
    **dict.fromkeys(("cap_add", "cap_drop"), _LIST),
    **dict.fromkeys(("command", "entrypoint", "dns", "dns_search", "tmpfs"), _WORDS),
    **dict.fromkeys(("logging", "ulimits"), _FIELDS),
    **dict.fromkeys(("extra_hosts", "sysctls"), _LIST_OR_FIELDS),
}
# Said elsewhere, or of no use here: nothing is lost, so there is no row.
# fmt: off
_SILENT = frozenset(
    {
        "image", "build", "environment", "env_file", "volumes", "ports", "healthcheck",
        "depends_on", "deploy", "networks", "labels", "secrets", "configs", "extends",
        "expose", "profiles", "mem_limit", "mem_reservation", "cpus", "restart", "shm_size",
        "routes",
    }
)
# fmt: on
_WHY = {
    "container_name": N_("the engine names containers; services find each other by service name"),
    "platform": N_("the architecture is said once, under x-smartcity.architectures"),
    "pull_policy": N_("images come with the bundle"),
    "links": N_("services find each other by their names"),
    "scale": N_("a service runs once on a server"),
}
_MUST = {
    "network_mode": N_("let it work on the app's own network, behind the gateway"),
    "privileged": N_("see whether it works without; such an app could do anything to the server"),
    "devices": N_("see whether it works without the device; apps may run on any server"),
    "gpus": N_("see whether it works without a graphics card"),
    "links": "",
}
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - in the container
_HEALTH_KEYS = ("interval", "timeout", "retries", "start_period")
_LOCAL_PATH = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::\d+)?(/[^\s\"'|;)]*)"
)


@dataclass
class Shared:
    """What the services of one import have in common."""

    app: str
    ledger: Ledger
    variables: Variables
    secrets: Secrets
    mounts: Mounts
    service_names: dict[str, str]
    beside: Callable[[str], bytes | None]
    networks: dict[str, dict[str, Any]]


class ServiceImport:
    """One service; `draft` is what the catalogue entry says of it."""

    def __init__(self, name: str, fields: dict[str, Any], shared: Shared) -> None:
        self.source = fields
        self.name = shared.service_names[name]
        self.at: Path_ = ("services", name)
        self.here: Path_ = ("services", self.name)
        self.shared = shared
        self.ledger = shared.ledger
        self.read_secrets: list[str] = []
        self.draft: dict[str, Any] = {}
        self.draft["image"] = self._image()
        self._kept()
        self._put("environment", environment_of(self))
        self._put("secrets", self._secrets())
        self._put("volumes", self._volumes())
        self._put("healthcheck", self._healthcheck())
        self._put("depends_on", self._depends_on())
        self._put("networks", self._networks())
        self._put("labels", self._labels())
        self._put("deploy", deploy_of(self))
        self._others()

    def health_path(self) -> str:
        """The path that the health check asks on the service itself; "/" where that is unknown."""
        match = _LOCAL_PATH.search(str(self.draft.get("healthcheck", {}).get("test", "")))
        path = match[1].partition("?")[0] if match else "/"
        return path if re.fullmatch(r"/[A-Za-z0-9._/-]*", path) else "/"

    def text(self, value: Any, at: Path_) -> Any:
        """`value` and all in it without variables and without passwords written out."""
        if isinstance(value, dict):
            return {key: self.text(part, (*at, key)) for key, part in value.items()}
        if isinstance(value, list):
            return [self.text(part, (*at, i)) for i, part in enumerate(value)]
        if not isinstance(value, str):
            return value
        resolved = self.shared.variables.resolve(value, at)
        clean = plaintext.without_secrets(resolved)
        if clean != resolved:
            self.ledger.secret(
                at,
                _("a password stands in “{key}”; it is not in the draft").format(key=at[-1]),
                _(
                    "let the app read it from a secret (/run/secrets/NAME) instead of {marker}"
                ).format(marker=MARKER),
                (*self.here, *at[2:]),
            )
        return clean

    def _put(self, key: str, value: Any) -> None:
        if value:
            self.draft[key] = value

    def _image(self) -> str:
        at, here = (*self.at, "image"), (*self.here, "image")
        given = self.source.get("image")
        own = (
            f"{self.shared.app}/{re.sub(r'[^a-z0-9]+', '-', self.name.lower()).strip('-') or 'app'}"
        )
        if "build" in self.source:
            self.ledger.dropped(
                (*self.at, "build"),
                _("the sources of the image are not part of the draft"),
                _("build the image and name it here; or put sources and build beside this file"),
                here,
            )
        if not isinstance(given, str) or not given:
            if "build" not in self.source:
                self.ledger.missing(at, _("the service has no image"), _("name one"), here)
            return f"{own}:{MARKER}"
        image = self.shared.variables.resolve(given, at)
        name, _at, digest = image.partition("@")
        path, _slash, last = name.rpartition("/")
        base, _colon, tag = last.partition(":")
        if digest:
            self.ledger.changed(at, _("the digest is left out: smartcity pins images itself"))
        if not compose.is_image(name) or MARKER in base:
            self.ledger.missing(
                at, _("“{image}” is no image's name").format(image=image[:80]), _("name one"), here
            )
            return f"{own}:{MARKER}"
        if tag == MARKER or tag.split("-")[0] in MOVING_TAGS:
            self.ledger.missing(
                at,
                _("the image “{image}” names no version").format(image=image[:80]),
                _("name the version that was tried"),
                here,
            )
            return f"{path}{_slash}{base}:{MARKER}"
        return name

    def _kept(self) -> None:
        for key, form in _KEPT.items():
            if key in self.source:
                value = self.text(self.source[key], (*self.at, key))
                if not _has_form(value, form):
                    self.ledger.unreadable((*self.at, key))
                else:
                    self.draft[key] = str(value) if form == _TEXT else value
        if "cap_add" in self.draft:
            self.ledger.note(
                (*self.at, "cap_add"), _("it asks for capabilities that apps seldom need")
            )

    def _secrets(self) -> list[Any]:
        kept: list[Any] = list(self.read_secrets)
        for i, entry in enumerate(entries(self.source.get("secrets"))):
            source = entry.get("source") if isinstance(entry, dict) else entry
            if not isinstance(source, str) or not source:
                self.ledger.unreadable((*self.at, "secrets", i))
                continue
            name = self.shared.secrets.name_for("file", source, source)
            target = entry.get("target") if isinstance(entry, dict) else None
            target = self.text(target, (*self.at, "secrets", i)) if target else source
            long = {"source": name, "target": str(target)}
            kept.append(name if target == name else long)
        return kept

    # -- the rest -----------------------------------------------------------------------------

    def _volumes(self) -> list[Any]:
        at = (*self.at, "volumes")
        given = self.source.get("volumes")
        kept = self.shared.mounts.converted(given, self.name, at) if given is not None else []
        if "shm_size" in self.source:
            size = compose.size_bytes(size_text(self.text(self.source["shm_size"], at)))
            if size:
                kept.append({"type": "tmpfs", "target": _SHARED_MEMORY, "tmpfs": {"size": size}})
                what = _("shm_size is a tmpfs at /dev/shm now, which docker stack knows too")
                self.ledger.changed((*self.at, "shm_size"), what)
            else:
                self.ledger.unreadable((*self.at, "shm_size"))
        for i, entry in enumerate(entries(self.source.get("configs"))):
            name = entry.get("source") if isinstance(entry, dict) else entry
            what = _("the configuration “{name}” is not in the draft").format(name=str(name)[:60])
            todo = _("write it as a template: templates/NAME.j2, listed under x-smartcity.files")
            self.ledger.dropped((*self.at, "configs", i), what, todo, ("x-smartcity",))
        return kept

    def _healthcheck(self) -> dict[str, Any]:
        at = (*self.at, "healthcheck")
        given = self.source.get("healthcheck")
        fields = self.text(given, at) if isinstance(given, dict) else {}
        test = fields.get("test")
        usable = _has_form(test, _WORDS) and test and test not in ("NONE", ["NONE"])
        if not usable or fields.get("disable"):
            what = _("the service has no health check")
            todo = _("write a command that fails when “{name}” does not work")
            self.ledger.missing(at, what, todo.format(name=self.name), self.here)
            return {}
        for key in fields.keys() - {"test", "disable", *_HEALTH_KEYS}:
            self.ledger.dropped((*at, key), _("older engines do not know “{key}”").format(key=key))
        kept = {k: fields[k] for k in _HEALTH_KEYS if isinstance(fields.get(k), str | int)}
        return {"test": test, **kept}

    def _depends_on(self) -> list[str]:
        given = self.source.get("depends_on")
        if given is None:
            return []
        if not isinstance(given, dict | list):
            self.ledger.unreadable((*self.at, "depends_on"))
            return []
        kept: list[str] = []
        for name in given:
            known = self.shared.service_names.get(name) if isinstance(name, str) else None
            if known and known not in kept and known != self.name:
                kept.append(known)
            rule = given[name] if isinstance(given, dict) else None
            condition = rule.get("condition") if isinstance(rule, dict) else None
            if known and condition not in (None, "service_started"):
                what = _("“{service}” was waited for until {condition}; docker stack does not wait")
                todo = _("let the app try “{service}” again until it answers")
                said = {"service": known, "condition": condition}
                self.ledger.changed(
                    (*self.at, "depends_on", name),
                    what.format(**said),
                    todo.format(**said)
                    if condition != "service_completed_successfully"
                    else _("make what “{service}” does the hook x-smartcity.hooks.migrate").format(
                        **said
                    ),
                    (*self.here, "depends_on"),
                )
        return kept

    def _networks(self) -> Any:
        given = self.source.get("networks")
        kept: dict[str, dict[str, Any]] = {}
        for name in given if isinstance(given, list | dict) else ():
            if not isinstance(name, str) or name not in self.shared.networks:
                continue
            options = given[name] if isinstance(given, dict) else None
            options = options if isinstance(options, dict) else {}
            aliases = options.get("aliases")
            kept[name] = {"aliases": aliases} if _has_form(aliases, _LIST) and aliases else {}
            if options.keys() - {"aliases"}:
                what = _("fixed addresses in networks are left out: names are enough")
                self.ledger.dropped((*self.at, "networks", name), what)
        return kept if any(kept.values()) else list(kept)

    def _labels(self) -> dict[str, str]:
        given = self.source.get("labels")
        pairs = (
            given.items()
            if isinstance(given, dict)
            else [str(e).partition("=")[::2] for e in entries(given)]
        )
        kept = {}
        at = (*self.at, "labels")
        for name, value in pairs:
            if PROXY_LABELS.fullmatch(str(name)):
                self.ledger.changed(at, _("labels of a proxy are left out: routes say the way"))
            else:
                label = self.shared.variables.resolve(str(name))
                kept[label] = str(self.text("" if value is None else str(value), at))
        return kept

    def _others(self) -> None:
        for key in self.source:
            if key in _KEPT or key in _SILENT or key.startswith("x-"):
                continue
            value = self.source[key]
            if value in (False, None, [], {}) or (key, value) == ("network_mode", "bridge"):
                continue
            why = _WHY.get(key)
            what = (
                _("“{key}” is left out: {why}").format(key=key, why=_(why))
                if why
                else _("“{key}” is outside what Compose and docker stack share").format(key=key)
            )
            if key == "links" and ":" in str(value):
                must = N_("let it call the service by its name instead of the link's")
                self.ledger.dropped((*self.at, key), what, _(must), self.here)
                continue
            must = _MUST.get(key, "" if why else FORBIDDEN.get(key, _UNKNOWN))
            self.ledger.dropped((*self.at, key), what, _(must), self.here)


_UNKNOWN = N_("see whether the app works without it")


def entries(value: object) -> list[Any]:
    """A list as it is, one value as a list of it, nothing as an empty one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _has_form(value: object, form: int) -> bool:
    scalar = isinstance(value, str | int | float)
    words = isinstance(value, list) and all(isinstance(w, str | int | float) for w in value)
    if form == _TEXT:
        return scalar and not isinstance(value, bool)
    if form == _TRUTH:
        return isinstance(value, bool)
    if form == _LIST:
        return words
    if form == _WORDS:
        return words or isinstance(value, str)
    return isinstance(value, dict) or (form == _LIST_OR_FIELDS and words)
