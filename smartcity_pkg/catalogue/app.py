"""One app of the catalogue: what its Compose file and its `x-smartcity` key say.

Only the part of Compose that selection, rendering and checking need is modelled; the engine reads
the rest. Loading from disk is in `catalogue.catalogue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from smartcity_pkg.core.i18n import _

NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
AppName = Annotated[str, Field(pattern=NAME_PATTERN, max_length=40)]
SecretName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


def _version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion:
        raise ValueError(_("not a version like 1.4.0")) from None
    return text


def _version_range(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise ValueError(_("not a version range like >=1.2,<2")) from None
    return text


Architecture = Literal["amd64", "arm64"]
Group = Literal["layanan-publik", "e-gov", "platform"]
AppVersion = Annotated[str, AfterValidator(_version)]
VersionRange = Annotated[str, AfterValidator(_version_range)]


class Model(BaseModel):
    """Immutable; a field that is not declared is an error, and so is an infinite number."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Text(Model):
    """The same text in Indonesian and in English."""

    id: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def in_language(self, language: str) -> str:
        """The text in "id" or "en"."""
        return self.id if language == "id" else self.en


class Requirement(Model):
    """Another app that must run on the same server, in a range of versions (PEP 440)."""

    app: AppName
    version: VersionRange = ""

    def accepts(self, version: str) -> bool:
        """Whether `version` of the required app will do."""
        return SpecifierSet(self.version).contains(Version(version), prereleases=True)


class Demand(Model):
    """What an app needs; each part fixed, or for each 100,000 residents.

    `install_peak_mib` is memory beside all that runs, while the app is installed. `disk_mib` is
    what the app writes: its images' layers are counted apart, once a server.
    """

    memory_mib: float = Field(0, ge=0)
    cpus: float = Field(0, ge=0)
    disk_mib: float = Field(0, ge=0)
    bandwidth_kbps: float = Field(0, ge=0)
    install_peak_mib: float = Field(0, ge=0)
    cost_idr_per_year: float = Field(0, ge=0)


class FixedDemand(Model):
    """The fixed part that Compose does not say: memory and CPU stand in deploy.resources."""

    disk_mib: float = Field(0, ge=0)
    bandwidth_kbps: float = Field(0, ge=0)
    cost_idr_per_year: float = Field(0, ge=0)


class SecretSpec(Model):
    """A secret made on the server; `share_with` names providers that must know it too.

    `fixed` says why it must never change, where that is so (data is encrypted with it).
    """

    share_with: tuple[AppName, ...] = ()
    fixed: str = Field("", max_length=300)


class TemplateFile(Model):
    """A template of the app's `templates/` folder, and where a service finds the result."""

    template: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*\.j2$")
    service: str
    target: str = Field(pattern=r"^/")


class Route(Model):
    """A path on the public entrance, the service behind it, and the path that shows its health."""

    path: str = Field(pattern=r"^/[a-z0-9/-]*/$|^/$")
    service: str
    port: int = Field(ge=1, le=65535)
    health: str = Field(pattern=r"^/")


class Hook(Model):
    """A command to run in a fresh container of a service."""

    service: str
    command: tuple[str, ...] = Field(min_length=1)


class Hooks(Model):
    """Commands that smartcity runs at fixed moments. They must be idempotent.

    `migrate` prepares the data for this version. `backup` writes all data of the app to its
    standard output, while the app runs; `restore` reads that from its standard input and puts it
    in the place of what is there, or fails and leaves what is there; `verify` reads it and fails
    where it is not whole, touching nothing. `backup` and `restore` come together.
    """

    migrate: Hook | None = None
    backup: Hook | None = None
    restore: Hook | None = None
    verify: Hook | None = None

    @model_validator(mode="after")
    def _whole(self) -> Hooks:
        if (self.backup is None) != (self.restore is None):
            raise ValueError(_("backup and restore are declared together, or not at all"))
        if self.verify is not None and self.backup is None:
            raise ValueError(_("verify is for what backup writes, and there is no backup"))
        return self

    def named(self) -> dict[str, Hook]:
        """The hooks that are declared, by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: hook for name, hook in found.items() if hook is not None}


MARKER = "TO-FILL-IN"
"""What a draft says where a person must decide. It is possible as text and as an image's tag, so
that a draft loads; in an entry that is no draft it is an error."""


class OpenPoint(Model):
    """What a person still has to do in a draft, and the dotted path where."""

    at: str = Field(min_length=1)
    todo: str = Field(min_length=1)


class AppSpec(Model):
    """All that smartcity adds to a Compose file, under `x-smartcity`.

    Of each list in `requires_one_of` one app must run on the same server; where several do, the
    first of them counts. `image_layers` says the MiB on disk of each layer of the app's images by
    a name that is the same in all apps that share it (its diffID, or a name like `debian-13`).
    While `draft` has an entry the app is a draft: it may hold MARKER, and no plan takes it.
    """

    schema_version: Literal[1]
    draft: tuple[OpenPoint, ...] = ()
    version: AppVersion
    title: Text
    summary: Text
    group: Group
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    benefit: int = Field(ge=0, le=100)
    architectures: tuple[Architecture, ...] = Field(("amd64",), min_length=1)
    requires: tuple[Requirement, ...] = ()
    requires_one_of: tuple[Annotated[tuple[Requirement, ...], Field(min_length=2)], ...] = ()
    conflicts: tuple[AppName, ...] = ()
    staff: dict[str, Annotated[float, Field(gt=0)]] = {}
    staff_per_100k: dict[str, Annotated[float, Field(gt=0)]] = {}
    demand: FixedDemand = FixedDemand()
    demand_per_100k: Demand = Demand()
    install_peak_mib: float = Field(0, ge=0)
    image_layers: dict[str, Annotated[float, Field(ge=0)]] = {}
    settings: dict[str, Any] = {}
    secrets: dict[SecretName, SecretSpec] = {}
    files: tuple[TemplateFile, ...] = ()
    routes: tuple[Route, ...] = ()
    hooks: Hooks = Hooks()


class Resources(Model):
    """`limits` or `reservations` of deploy.resources, in MiB and CPUs."""

    memory_mib: float = 0
    cpus: float = 0


class Service(BaseModel):
    """What smartcity reads of one Compose service."""

    model_config = ConfigDict(frozen=True)

    name: str
    image: str
    user: str = ""
    reservation: Resources = Resources()
    limit: Resources = Resources()
    has_healthcheck: bool = False
    secrets: tuple[str, ...] = ()
    published_ports: tuple[str, ...] = ()


class App(BaseModel):
    """One catalogue entry: the Compose file's services and its `x-smartcity` key, read together."""

    model_config = ConfigDict(frozen=True)

    name: AppName
    spec: AppSpec
    services: tuple[Service, ...]
    compose_text: str
    templates: dict[str, str] = {}

    @property
    def version(self) -> str:
        """The app's version."""
        return self.spec.version

    @property
    def is_platform(self) -> bool:
        """Platform apps run once on each server where another app requires them."""
        return self.spec.group == "platform"

    @property
    def is_draft(self) -> bool:
        """Whether a person must still do something; drafts load, but no plan may hold them."""
        return bool(self.spec.draft)

    @property
    def images(self) -> tuple[str, ...]:
        """The image references of all services, each once, sorted."""
        return tuple(sorted({s.image for s in self.services}))

    def service(self, name: str) -> Service:
        """The service called `name`; KeyError where there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)

    @property
    def providers(self) -> tuple[str, ...]:
        """Every app that this one requires or may take as one of several, in the file's order."""
        several = (r.app for choices in self.spec.requires_one_of for r in choices)
        return tuple(dict.fromkeys([*(r.app for r in self.spec.requires), *several]))

    def provided_by(self, beside: Mapping[str, App]) -> tuple[str, ...]:
        """The apps of `beside` that provide for this one: what it requires, and of each
        `requires_one_of` list the first that is there in an accepted version.
        """
        names = [r.app for r in self.spec.requires if r.app in beside]
        for choices in self.spec.requires_one_of:
            fitting = (
                r.app for r in choices if r.app in beside and r.accepts(beside[r.app].version)
            )
            names += [n for n in (next(fitting, ""),) if n]
        return tuple(dict.fromkeys(names))

    def staff_for(self, population: int) -> dict[str, float]:
        """Full-time people by skill that the app takes for `population` residents."""
        share = population / 100_000
        skills = sorted({*self.spec.staff, *self.spec.staff_per_100k})
        return {
            skill: self.spec.staff.get(skill, 0) + self.spec.staff_per_100k.get(skill, 0) * share
            for skill in skills
        }

    def demand_for(self, population: int) -> Demand:
        """What the app needs for `population` residents: reservations, fixed part, share.

        The layers of its images come on top (`image_layers`), each once a server.
        """
        per, share = self.spec.demand_per_100k, population / 100_000
        return Demand(
            memory_mib=sum(s.reservation.memory_mib for s in self.services)
            + per.memory_mib * share,
            cpus=sum(s.reservation.cpus for s in self.services) + per.cpus * share,
            disk_mib=self.spec.demand.disk_mib + per.disk_mib * share,
            bandwidth_kbps=self.spec.demand.bandwidth_kbps + per.bandwidth_kbps * share,
            install_peak_mib=self.spec.install_peak_mib + per.install_peak_mib * share,
            cost_idr_per_year=self.spec.demand.cost_idr_per_year + per.cost_idr_per_year * share,
        )
