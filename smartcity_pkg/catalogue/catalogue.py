"""All apps together: loaded from a folder, checked against each other, ordered by dependency.

One app alone is read in `compose`; advice is in `lint`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from smartcity_pkg.catalogue import compose
from smartcity_pkg.catalogue.app import App
from smartcity_pkg.catalogue.faults import by_place, closest
from smartcity_pkg.catalogue.rules import numbered
from smartcity_pkg.catalogue.yamlfile import Document
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, Problem, UsageError
from smartcity_pkg.core.i18n import _, os_text

_AT = (compose.EXTENSION,)


@dataclass(frozen=True)
class Catalogue:
    """The apps by name, sorted, and a digest over every app's Compose text and templates.

    `folder` is what messages call the folder that they came from; `elsewhere` is what they call
    the folders of the apps that came from others.
    """

    apps: Mapping[str, App]
    digest: str
    folder: str = field(default="bundles", compare=False)
    elsewhere: Mapping[str, str] = field(default_factory=dict, compare=False)

    def app(self, name: str) -> App:
        """The app called `name`; UsageError names one that is spelt like it."""
        if found := self.apps.get(name):
            return found
        raise UsageError(
            _("no such app: {app}").format(app=name),
            closest(name, self.apps)
            or _("`smartcity catalogue list` shows the apps: {names}").format(
                names=", ".join(self.apps)
            ),
        )

    def required_by(self, name: str) -> tuple[str, ...]:
        """The apps that require `name` directly, or may take it as one of several, sorted."""
        return tuple(app.name for app in self.apps.values() if name in app.providers)

    def dependency_order(self, names: Iterable[str]) -> tuple[str, ...]:
        """`names` with providers before what requires them, through other apps too.

        Equal names give the same order; apps that do not depend on each other stand by name.
        """
        wanted = set(names)
        order: list[str] = []
        seen: set[str] = set()

        def visit(name: str) -> None:
            if name in seen or name not in self.apps:
                return
            seen.add(name)
            for provider in sorted(self.apps[name].providers):
                visit(provider)
            order.append(name)

        for name in sorted(wanted):
            visit(name)
        return tuple(name for name in order if name in wanted)

    def file(self, name: str) -> str:
        """What messages call the Compose file of the app called `name`."""
        return f"{self.elsewhere.get(name, f'{self.folder}/{name}')}/{compose.FILE}"


def load_catalogue(folder: Path, beside: Iterable[Path] = ()) -> Catalogue:
    """Every app below `folder`; one InputError lists all faults of all apps.

    An app is a folder that holds a compose.yaml; folders that begin with `_` or `.` hold none.
    `beside` are further apps, or folders of such, each taking the place of one of the same name.
    """
    shown = folder.as_posix()
    apps: dict[str, App] = {}
    documents: dict[str, Document] = {}
    problems: list[Problem] = []
    elsewhere = {app.absolute().name: app for path in beside for app in _apps_at(path)}
    folders = {path.name: path for path in _app_folders(folder, shown)} | elsewhere
    for name, path in sorted(folders.items()):
        try:
            apps[name], documents[name] = compose.read(path.absolute(), path.as_posix())
        except InputError as error:
            problems += error.problems
    if not problems:
        problems = by_place(list(_faults_between(apps, documents)))
    if problems:
        raise InputError(problems)
    made = make_catalogue(apps.values(), shown)
    return replace(made, elsewhere={n: p.as_posix() for n, p in elsewhere.items()})


def make_catalogue(apps: Iterable[App], folder: str = "bundles") -> Catalogue:
    """A catalogue of `apps` as they are, unchecked against each other."""
    by_name = {app.name: app for app in sorted(apps, key=lambda a: a.name)}
    identity = {
        name: {"compose": app.compose_text, "templates": app.templates}
        for name, app in by_name.items()
    }
    return Catalogue(by_name, digest.of_bytes(digest.canonical_json(identity)), folder)


def _apps_at(path: Path) -> list[Path]:
    """The folder `path` itself, unless it holds apps rather than being one."""
    if (path / compose.FILE).is_file() or not any(path.glob(f"*/{compose.FILE}")):
        return [path]
    return _app_folders(path, path.as_posix())


def _app_folders(folder: Path, shown: str) -> list[Path]:
    try:
        found = sorted(
            path
            for path in folder.iterdir()
            if not path.name.startswith(("_", ".")) and (path / compose.FILE).is_file()
        )
    except OSError as error:
        raise InputError(
            Problem(_("the catalogue cannot be read: {why}").format(why=os_text(error)), shown)
        ) from error
    if not found:
        raise InputError(
            Problem(
                _("the catalogue has no app"),
                shown,
                hint=_("an app is a folder with a compose.yaml; or leave the folder out"),
            )
        )
    return found


def _faults_between(
    apps: Mapping[str, App], documents: Mapping[str, Document]
) -> Iterator[Problem]:
    yield from numbered("SC015", _requirements(apps, documents))
    yield from numbered("SC015", _alternatives(apps, documents))
    yield from numbered("SC019", _layers(apps, documents))
    yield from numbered("SC015", _cycles(apps, documents))
    yield from numbered("SC016", _conflicts(apps, documents))
    yield from numbered("SC017", _routes(apps, documents))


def _requirements(apps: Mapping[str, App], documents: Mapping[str, Document]) -> Iterator[Problem]:
    for name, app in apps.items():
        for i, requirement in enumerate(app.spec.requires):
            at = (*_AT, "requires", i)
            other = apps.get(requirement.app)
            if other is None:
                yield documents[name].problem(
                    (*at, "app"),
                    _("requires “{app}”, which the catalogue does not have").format(
                        app=requirement.app
                    ),
                    closest(requirement.app, apps) or _("add the app, or take it out of requires"),
                )
            elif not requirement.accepts(other.version):
                yield documents[name].problem(
                    (*at, "version"),
                    _("requires {app} {range}, but the catalogue has {version}").format(
                        app=other.name, range=requirement.version, version=other.version
                    ),
                    _(
                        "widen the range once it works with {version}, or bring another {app}"
                    ).format(version=other.version, app=other.name),
                )


def _alternatives(apps: Mapping[str, App], documents: Mapping[str, Document]) -> Iterator[Problem]:
    """Lists of `requires_one_of` of which the catalogue offers nothing.

    A name that it does not have is no fault as long as another of the list will do: the same entry
    serves several catalogues.
    """
    for name, app in apps.items():
        for i, choices in enumerate(app.spec.requires_one_of):
            if not any(r.app in apps and r.accepts(apps[r.app].version) for r in choices):
                yield documents[name].problem(
                    (*_AT, "requires_one_of", i),
                    _("the catalogue has none of these apps in an accepted version: {apps}").format(
                        apps=", ".join(f"{r.app} {r.version}".strip() for r in choices)
                    ),
                    _("add one of them to the catalogue, or widen its range of versions"),
                )


def _layers(apps: Mapping[str, App], documents: Mapping[str, Document]) -> Iterator[Problem]:
    """Layers of one name that two apps give different sizes."""
    first: dict[str, str] = {}
    for name, app in apps.items():
        for layer, mib in app.spec.image_layers.items():
            other = first.setdefault(layer, name)
            if apps[other].spec.image_layers[layer] != mib:
                yield documents[name].problem(
                    (*_AT, "image_layers", layer),
                    _("the layer “{layer}” has {mib:g} MiB here and {other:g} MiB in {app}").format(
                        layer=layer,
                        mib=mib,
                        other=apps[other].spec.image_layers[layer],
                        app=other,
                    ),
                    _("give the same layer the same size, or another layer another name"),
                )


def _cycles(apps: Mapping[str, App], documents: Mapping[str, Document]) -> Iterator[Problem]:
    """Each cycle of requirements once, at its first app by name."""
    for name in apps:
        if cycle := _shortest_way(apps, name, name):
            if min(cycle) != name:
                continue
            yield documents[name].problem(
                (*_AT, *_place_of(apps[name], cycle[1])),
                _("apps require each other in a circle: {cycle}").format(cycle=" → ".join(cycle)),
                _("take one of these requirements out"),
            )


def _place_of(app: App, provider: str) -> tuple[str | int, ...]:
    """Where the app's file names `provider`."""
    for i, requirement in enumerate(app.spec.requires):
        if requirement.app == provider:
            return ("requires", i)
    for i, choices in enumerate(app.spec.requires_one_of):
        if any(r.app == provider for r in choices):
            return ("requires_one_of", i)
    raise KeyError(provider)


def _shortest_way(apps: Mapping[str, App], start: str, goal: str) -> tuple[str, ...]:
    """The names from `start` along requirements to `goal`, at least one step; () if none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    for way in ways:
        app = apps.get(way[-1])
        for other in sorted(app.providers) if app else ():
            if other == goal:
                return (*way, other)
            if other not in seen:
                seen.add(other)
                ways.append((*way, other))
    return ()


def _conflicts(apps: Mapping[str, App], documents: Mapping[str, Document]) -> Iterator[Problem]:
    for name, app in apps.items():
        for i, other in enumerate(app.spec.conflicts):
            at = (*_AT, "conflicts", i)
            if other == name:
                yield documents[name].problem(at, _("the app is in conflict with itself"))
            elif way := _shortest_way(apps, name, other):
                yield documents[name].problem(
                    at,
                    _("is in conflict with “{app}”, which it requires: {way}").format(
                        app=other, way=" → ".join(way)
                    ),
                )
            elif other in apps and (way := _shortest_way(apps, other, name)):
                yield documents[name].problem(
                    at,
                    _("is in conflict with “{app}”, which requires it: {way}").format(
                        app=other, way=" → ".join(way)
                    ),
                )


def _routes(apps: Mapping[str, App], documents: Mapping[str, Document]) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for name, app in apps.items():
        for i, route in enumerate(app.spec.routes):
            if other := taken.get(route.path):
                yield documents[name].problem(
                    (*_AT, "routes", i, "path"),
                    _("the route {path} belongs to the app {app} already").format(
                        path=route.path, app=other
                    ),
                    _("give one of them another path"),
                )
            taken.setdefault(route.path, name)
