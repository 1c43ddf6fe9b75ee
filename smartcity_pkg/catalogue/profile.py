"""A pemda's profile from its file: checked against the region table, itself and the catalogue.

What the fields mean is in `pemda`; whether the servers can carry anything is selection's question.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from smartcity_pkg.catalogue import regions, settings_schema, yamlfile
from smartcity_pkg.catalogue.catalogue import Catalogue
from smartcity_pkg.catalogue.faults import by_place, closest
from smartcity_pkg.catalogue.pemda import Pemda
from smartcity_pkg.catalogue.yamlfile import Document, Path_
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import InputError, Problem
from smartcity_pkg.core.i18n import _


def load_pemda(path: Path, catalogue: Catalogue | None = None) -> Pemda:
    """The profile in the file at `path`; with `catalogue`, app names and settings are checked too.

    One InputError lists every fault with its line.
    """
    document = yamlfile.read(path)
    pemda = yamlfile.validate(document, Pemda)
    problems = [*_region(pemda, document), *_servers(pemda, document)]
    if catalogue is not None:
        problems += check_against(pemda, catalogue, document)
    if problems:
        raise InputError(by_place(problems))
    return pemda


def profile_digest(pemda: Pemda) -> str:
    """sha256 over the profile's canonical JSON: comments and order of the file do not count.

    Nor does what was measured: it decides nothing, and a new measurement asks for no new plan.
    """
    counts = pemda.model_dump(mode="json", exclude={"servers": {"__all__": {"measured"}}})
    return digest.of_bytes(digest.canonical_json(counts))


def check_against(pemda: Pemda, catalogue: Catalogue, document: Document) -> list[Problem]:
    """Apps that the catalogue does not have, and settings that their apps do not accept."""
    problems = [
        document.problem(
            path,
            _("the catalogue has no app “{name}”").format(name=name),
            closest(name, catalogue.apps) or _("`smartcity catalogue list` shows the apps' names"),
        )
        for path, name in _apps_named(pemda)
        if name not in catalogue.apps
    ]
    for name in pemda.choice.priorities:
        if name in catalogue.apps and catalogue.apps[name].is_platform:
            problems.append(
                document.problem(
                    ("choice", "priorities", name),
                    _("“{name}” is a platform app and has no priority of its own").format(
                        name=name
                    ),
                    _("take it out: it comes along with the apps that require it"),
                )
            )
    for name, values in pemda.settings.apps.items():
        if app := catalogue.apps.get(name):
            problems += [
                document.problem(("settings", "apps", name, *fault.path), fault.message)
                for fault in settings_schema.value_faults(app.spec.settings, values)
            ]
    return problems


def _apps_named(pemda: Pemda) -> Iterator[tuple[Path_, str]]:
    choice, covered = pemda.choice, pemda.agreement.pks.apps
    if covered != "all":
        yield from ((("agreement", "pks", "apps", i), name) for i, name in enumerate(covered))
    for field, names in (("must", choice.must), ("exclude", choice.exclude)):
        yield from ((("choice", field, i), name) for i, name in enumerate(names))
    yield from ((("choice", "priorities", name), name) for name in choice.priorities)
    yield from ((("settings", "apps", name), name) for name in pemda.settings.apps)


def _region(pemda: Pemda, document: Document) -> Iterator[Problem]:
    found = regions.region(pemda.region)
    if found is None:
        alike = regions.find_regions(pemda.name)
        yield document.problem(
            ("region",),
            _("“{code}” is the code of no kabupaten or kota").format(code=pemda.region),
            _("{name} has the code {code}").format(name=alike[0].name, code=alike[0].code)
            if len(alike) == 1
            else _("use the Kemendagri code, like 32.15 for Kabupaten Karawang"),
        )
    elif not regions.same_name(pemda.name, found.name):
        yield document.problem(
            ("name",),
            _("{code} is {expected} ({province}), not “{name}”").format(
                code=found.code, expected=found.name, province=found.province, name=pemda.name
            ),
            _("write: name: {expected}; or correct the region").format(expected=found.name),
        )


def _servers(pemda: Pemda, document: Document) -> Iterator[Problem]:
    for i, server in enumerate(pemda.servers):
        for field in ("memory_gib", "cpus", "disk_gib"):
            kept, there = getattr(server.reserved, field), getattr(server, field)
            if kept >= there:
                yield document.problem(
                    ("servers", i, "reserved", field),
                    _(
                        "server “{server}”: of {there:g} {field}, {kept:g} are reserved for its "
                        "own system; nothing is left for apps"
                    ).format(server=server.name, there=there, field=field, kept=kept),
                    _("give the server more, or reserve less"),
                )
