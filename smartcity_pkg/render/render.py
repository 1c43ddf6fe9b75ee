"""A plan, the catalogue and a profile in; every file of a release in memory out. Pure.

No file is read, no clock is asked, nothing is random: the same arguments give the same bytes. Each
app gets a folder `<server>/<app>/` with its own Compose file unchanged, the second one
(`secondfile`), an env file and its rendered configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.plan import Plan
from smartcity_pkg.catalogue.release import ReleaseApp
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _
from smartcity_pkg.render import networks
from smartcity_pkg.render.context import template_context
from smartcity_pkg.render.envfile import variables
from smartcity_pkg.render.planned import servers_of
from smartcity_pkg.render.secondfile import RenderedFile, second_file
from smartcity_pkg.render.secrets import secret_files
from smartcity_pkg.render.server import ServerApps
from smartcity_pkg.render.settings import declared, effective_settings
from smartcity_pkg.render.templates import render_template

ENV_TEMPLATE = "env.j2"
# What bundles/gateway/compose.yaml says where no setting does.
_DEFAULT_HTTP_PORT = 80
_SAFE_PATH = re.compile(r"[a-z0-9.][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Rendered:
    """What a release is made of, except its images.

    `files` maps a relative POSIX path to its content; `apps` stand by server, providers first;
    `entrance_ports` maps a server to the HTTP port of its gateway, where it has one.
    """

    files: dict[str, bytes]
    apps: tuple[ReleaseApp, ...]
    entrance_ports: dict[str, int]


@dataclass(frozen=True)
class _Inputs:
    """What is the same for every app of a release."""

    pemda: Pemda
    shared: Mapping[str, str]
    pins: Mapping[str, str]


def render(
    plan: Plan,
    catalogue: Catalogue,
    pemda: Pemda,
    *,
    shared: Mapping[str, str],
    pins: Mapping[str, str],
) -> Rendered:
    """Render every app of `plan`.

    `shared` holds the project's own templates by file name (`read_shared_templates`). `pins` maps
    an image reference of an app's Compose file to the one that servers run; what is missing there
    stays as it is. Raises InputError with every fault found: the plan does not fit catalogue or
    profile, settings break their schema, a template fails.
    """
    inputs = _Inputs(pemda, shared, pins)
    files: dict[str, bytes] = {}
    apps: list[ReleaseApp] = []
    ports: dict[str, int] = {}
    problems: list[Problem] = []
    for here in servers_of(plan, catalogue, pemda):
        try:
            networks.check(here)
        except InputError as error:
            problems += error.problems
        for app in here.apps:
            try:
                settings = effective_settings(app, pemda.settings.apps.get(app.name, {}))
                own = _files_of(app, settings, here, inputs)
                apps.append(_release_app(app, here, own, pins))
            except InputError as error:
                problems += error.problems
                continue
            files.update({f"{_folder(app, here)}/{path}": data for path, data in own.items()})
            if app.name == networks.GATEWAY:
                ports[here.server] = int(settings.get("http_port", _DEFAULT_HTTP_PORT))
    if problems:
        # The same app on two servers has the same faults twice.
        raise InputError(list(dict.fromkeys(problems)))
    _check_paths(files)
    return Rendered(dict(sorted(files.items())), tuple(apps), ports)


def _files_of(
    app: App, settings: dict[str, Any], here: ServerApps, inputs: _Inputs
) -> dict[str, bytes]:
    """The files of one app by their path in its folder."""
    context = template_context(app, settings, here, inputs.pemda)
    rendered = _configuration(app, here, context)
    given = variables(app, here.facts(app), settings, inputs.pemda)
    try:
        env_template = inputs.shared[ENV_TEMPLATE]
    except KeyError:
        raise InputError(
            Problem(
                _("the file does not exist"),
                f"templates/{ENV_TEMPLATE}",
                hint=_("it comes with smartcity: install smartcity again"),
            )
        ) from None
    env = render_template(
        env_template,
        f"templates/{ENV_TEMPLATE}",
        {**context, "variables": [{"name": k, "value": v} for k, v in given.items()]},
    )
    second = second_file(app, here, region=inputs.pemda.region, pins=inputs.pins, files=rendered)
    return {
        "compose.yaml": app.compose_text.encode(),
        "compose.smartcity.yaml": second,
        ".env": env,
        **{file.path: file.content for file in rendered},
    }


def _configuration(app: App, here: ServerApps, context: dict[str, Any]) -> tuple[RenderedFile, ...]:
    """The app's own templates, each rendered once, in the order of their names."""
    problems: list[Problem] = []
    files: list[RenderedFile] = []

    def hint_for(path: tuple[str, ...]) -> str:
        return _hint_for_setting(app, here, path)

    for name in sorted({f.template for f in app.spec.files}):
        file = here.template_path(app, name)
        mounts = tuple((f.service, f.target) for f in app.spec.files if f.template == name)
        if name not in app.templates:
            hint = _("write it, or remove it from “files” in {path}").format(
                path=here.compose_path(app)
            )
            problems.append(Problem(_("the file does not exist"), file, hint=hint))
            continue
        try:
            content = render_template(app.templates[name], file, context, hint_for)
        except InputError as error:
            problems += error.problems
        else:
            files.append(RenderedFile(name.removesuffix(".j2"), content, mounts))
    if problems:
        raise InputError(problems)
    return tuple(files)


def _hint_for_setting(app: App, here: ServerApps, path: tuple[str, ...]) -> str:
    """What to do about a setting that a template uses and nobody gave; "" for other names."""
    if path[0] != "settings" or len(path) < 2:
        return ""
    name = ".".join(path[1:])
    if declared(app, path[1:]):
        return _("set it in the profile: settings.apps.{app}.{name}").format(
            app=app.name, name=name
        )
    return _("add the setting “{name}” with a default to x-smartcity.settings in {path}").format(
        name=name, path=here.compose_path(app)
    )


def _release_app(
    app: App, here: ServerApps, own: Mapping[str, bytes], pins: Mapping[str, str]
) -> ReleaseApp:
    folder = _folder(app, here)
    digests = {path: digest.of_bytes(data) for path, data in own.items()}
    return ReleaseApp(
        app=app.name,
        version=app.version,
        server=here.server,
        # Not the bare name: somebody may run the app's own Compose file on the same engine.
        project=f"smartcity-{app.name}",
        compose_files=(f"{folder}/compose.yaml", f"{folder}/compose.smartcity.yaml"),
        env_file=f"{folder}/.env",
        services=tuple(s.name for s in app.services),
        images=tuple(sorted({pins.get(i, i) for i in app.images})),
        networks=networks.shared_networks(app, here),
        secrets=secret_files(app, here),
        routes=app.spec.routes,
        **app.spec.hooks.named(),
        after=tuple(p.name for p in here.providers(app)),
        config_digest=digest.of_bytes(digest.canonical_json(digests)),
    )


def _folder(app: App, here: ServerApps) -> str:
    return f"{here.server}/{app.name}"


def _check_paths(files: Mapping[str, bytes]) -> None:
    """The models allow safe names only; this holds it where a path leaves for a server's disk."""
    for path in files:
        parts = path.split("/")
        if not all(_SAFE_PATH.fullmatch(p) and p not in {".", ".."} for p in parts):
            raise InputError(Problem(_("not a safe file name: {path}").format(path=ascii(path))))
