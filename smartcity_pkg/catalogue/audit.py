"""What Compose files ask of a server beyond the ordinary, and what they lack: rules SC020 to SC031.

Pure, and the same at `catalogue lint`, at `pack` and on the server: what cannot be judged (a key
that we do not know, a variable where a value decides) counts as asked for. Each file of an app is
judged by itself, because Compose only adds; what must be there is looked for in all of them
together. Storage is judged in `storage`; whether somebody allowed a breach, in `policy`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from smartcity_pkg.catalogue import compose, storage, yamlfile
from smartcity_pkg.catalogue.exemption import Breach
from smartcity_pkg.catalogue.release import ReleaseApp
from smartcity_pkg.catalogue.subset import IGNORED, SERVICE, TOP_LEVEL
from smartcity_pkg.catalogue.yamlfile import Path_
from smartcity_pkg.core.errors import InputError
from smartcity_pkg.core.i18n import _

MOVING_TAGS = frozenset(
    {"", "latest", "stable", "main", "master", "dev", "edge", "nightly", "current"}
)
# moby, oci/caps/defaults.go: what a container has when nobody says anything. To name some of them
# is to do without the others, because `render` drops all that are not named.
DEFAULT_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "NET_RAW",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
_HARMLESS_OPTIONS = frozenset(
    {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"}
)
# The values that keep a container apart from the server, and from other apps' containers.
_OWN_NAMESPACE: Mapping[str, Collection[str]] = {
    "network_mode": ("none", "bridge"),
    "pid": (),
    "ipc": ("none", "private", "shareable"),
    "uts": (),
    "userns_mode": (),
    "cgroup": ("private",),
    "cgroupns_mode": ("private",),
    "cgroup_parent": (),
}
_DEVICES = ("devices", "device_cgroup_rules", "gpus")
# Known to no stack and allowed in no app, but written into `compose.smartcity.yaml` by `render`.
_OURS = frozenset({"pull_policy"})
_KNOWN = SERVICE | IGNORED | _OURS | _OWN_NAMESPACE.keys() | set(_DEVICES)

_Found = Iterator[tuple[str, Path_, str]]


def audit(
    app: str,
    files: Sequence[object],
    *,
    secret_files: Collection[str] = (),
    images: Collection[str] | None = None,
) -> tuple[Breach, ...]:
    """Every breach of the Compose files of `app`, given as plain values in order of merging.

    `secret_files` are the absolute paths that secrets may be read from. `images` are the only ones
    that a service may finally run; None leaves that open (before there is a release).
    """
    found: list[tuple[str, Path_, str]] = []
    for data in files:
        found += _about_file(data, secret_files)
    found += _about_whole(_merged(files), images)
    breaches = (
        Breach(rule, app, str(at[1]) if at[0] == "services" and len(at) > 1 else "", at, text)
        for rule, at, text in found
    )
    return tuple(dict.fromkeys(breaches))


def audit_released(
    app: ReleaseApp, files: Mapping[str, bytes], secrets_folder: str
) -> tuple[Breach, ...]:
    """Every breach of an app of a release, in the files that are really going to be merged.

    `files` are the rendered files by path; `secrets_folder` is where servers keep secrets. A file
    that is absent or unreadable is a breach too (SC031).
    """
    parsed: list[object] = []
    unreadable: list[Breach] = []
    for path in app.compose_files:
        try:
            parsed.append(yamlfile.parse(files[path], path).data)
        except (KeyError, InputError) as error:
            why = str(error) if isinstance(error, InputError) else _("the file does not exist")
            text = _("{file} cannot be judged: {why}").format(file=path, why=why)
            unreadable.append(Breach("SC031", app.app, "", (), text))
    secret_files = {f"{secrets_folder}/{s.path}" for s in app.secrets}
    found = audit(app.app, parsed, secret_files=secret_files, images=app.images)
    return (*unreadable, *found)


# -- one file ---------------------------------------------------------------------------------


def _about_file(data: object, secret_files: Collection[str]) -> _Found:
    if not isinstance(data, dict):
        yield _unjudged((), _("the file"))
        return
    for key in data:
        if key not in TOP_LEVEL and not key.startswith("x-"):
            yield _unjudged((key,), key)
    yield from storage.of_top_level(data, secret_files)
    yield from _networks(data.get("networks"))
    services = data.get("services")
    if services is not None and not isinstance(services, dict):
        yield _unjudged(("services",), "services")
        return
    for name, fields in (services or {}).items():
        at: Path_ = ("services", name)
        if isinstance(fields, dict):
            yield from _privileges(at, fields)
            yield from storage.of_service(at, fields)
            yield from _image(at, fields)
        elif fields is not None:
            yield _unjudged(at, name)


def _privileges(at: Path_, fields: Mapping[str, Any]) -> _Found:
    for key in fields:
        if key not in _KNOWN and not key.startswith("x-"):
            yield _unjudged((*at, key), key)
    if fields.get("privileged") not in (None, False):
        text = _("runs privileged: it could do anything to the server")
        yield "SC020", (*at, "privileged"), text
    for key, harmless in _OWN_NAMESPACE.items():
        value = fields.get(key)
        own_service = key in ("network_mode", "pid", "ipc") and str(value).startswith("service:")
        if value not in (None, "", *harmless) and not own_service:
            text = _("“{key}: {value}” takes it out of its own namespace")
            yield "SC021", (*at, key), text.format(key=key, value=_short(value))
    for i, name in enumerate(_list(fields.get("cap_add"))):
        if str(name).upper().removeprefix("CAP_") not in DEFAULT_CAPABILITIES:
            text = _("adds the capability {name}").format(name=_short(name))
            yield "SC024", (*at, "cap_add", i), text
    yield from _devices(at, fields)
    for i, option in enumerate(_list(fields.get("security_opt"))):
        if str(option) not in _HARMLESS_OPTIONS:
            text = _("“{value}” in security_opt may weaken the walls around it")
            yield "SC026", (*at, "security_opt", i), text.format(value=_short(option))
    for i, name in enumerate(_list(fields.get("sysctls"))):
        text = _("sets the kernel parameter {name}").format(name=_short(name))
        place = name if isinstance(fields["sysctls"], dict) else i
        yield "SC027", (*at, "sysctls", place), text


def _devices(at: Path_, fields: Mapping[str, Any]) -> _Found:
    text = _("asks for the device {name}")
    for key in _DEVICES:
        for i, name in enumerate(_list(fields.get(key))):
            yield "SC025", (*at, key, i), text.format(name=_short(name))
    place = (*at, "deploy", "resources", "reservations")
    reserved = _fields(fields, "deploy", "resources", "reservations")
    for key in ("devices", "generic_resources"):
        for i, name in enumerate(_list(reserved.get(key))):
            yield "SC025", (*place, key, i), text.format(name=_short(name))


def _networks(networks: object) -> _Found:
    """Networks through which a container gets the server's own interfaces."""
    for key, network in networks.items() if isinstance(networks, dict) else ():
        fields = network if isinstance(network, dict) else {}
        name = str(fields.get("name", key))
        driver = fields.get("driver")
        if driver not in (None, "bridge", "overlay") or "$" in name or name in ("host", "none"):
            text = _("the network “{name}” (driver: {driver}) may be the server's own")
            shown = {"name": _short(name), "driver": _short(driver or "-")}
            yield "SC021", ("networks", key), text.format(**shown)


def _image(at: Path_, fields: Mapping[str, Any]) -> _Found:
    image = fields.get("image")
    if image is None:
        return
    tag = str(image).rsplit("/", 1)[-1].partition(":")[2]
    if "$" in str(image) or (tag in MOVING_TAGS and "@sha256:" not in str(image)):
        text = _("the tag of {image} moves: name a version").format(image=_short(image))
        yield "SC028", (*at, "image"), text


# -- all files together -------------------------------------------------------------------------


def _about_whole(data: Mapping[str, Any], images: Collection[str] | None) -> _Found:
    for name, value in _fields(data, "services").items():
        at: Path_ = ("services", name)
        fields = value if isinstance(value, dict) else {}
        if not compose.checks_health(_fields(fields, "healthcheck")):
            text = _("no health check: an installation cannot see whether “{name}” works")
            yield "SC029", (*at, "healthcheck"), text.format(name=name)
        limits = _fields(fields, "deploy", "resources", "limits")
        place = (*at, "deploy", "resources", "limits")
        if not compose.size_bytes(str(limits.get("memory", ""))):
            text = _("no memory limit: “{name}” can take the whole server down")
            yield "SC030", place, text.format(name=name)
        if not compose.cpus(str(limits.get("cpus", ""))):
            text = _("no CPU limit: “{name}” can take the whole server down")
            yield "SC030", place, text.format(name=name)
        if images is not None and fields.get("image") not in images:
            text = _("runs {image}, which is no image of the release")
            shown = _short(fields.get("image", "-"))
            yield "SC028", (*at, "image"), text.format(image=shown)


def _merged(files: Sequence[object]) -> dict[str, Any]:
    """All files in one: mappings are joined, and of anything else the last counts.

    That is more than Compose does with a list, and right for what is asked of the result.
    """
    result: dict[str, Any] = {}
    for data in files:
        for key, value in data.items() if isinstance(data, dict) else ():
            before = result.get(key)
            both = isinstance(before, dict) and isinstance(value, dict)
            result[key] = _merged((before, value)) if both else value
    return result


def _fields(value: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The mapping at `keys`; an empty one where there is none."""
    for key in keys:
        inner = value.get(key)
        value = inner if isinstance(inner, dict) else {}
    return value


def _list(value: object) -> list[Any]:
    """The entries of a list, the keys of a mapping, one value as itself."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | dict) else [value]


def _unjudged(at: Path_, key: str) -> tuple[str, Path_, str]:
    text = _("“{key}” cannot be judged: it is outside what an app may say").format(key=_short(key))
    return "SC031", at or ("",), text


def _short(value: object) -> str:
    """A value for a message."""
    return str(value)[:80]
