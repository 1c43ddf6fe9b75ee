"""One app of the catalogue: what its Compose file and its `x-smartcity` key say.

Only the part of Compose that selection, rendering and checking need is modelled; the engine reads
the rest. Loading from disk is in `catalogue.catalogue`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

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
    """What an app needs; each part fixed, or for each 100,000 residents."""

    memory_mib: float = Field(0, ge=0)
    cpus: float = Field(0, ge=0)
    disk_mib: float = Field(0, ge=0)
    bandwidth_kbps: float = Field(0, ge=0)


class FixedDemand(Model):
    """The fixed part that Compose does not say: memory and CPU stand in deploy.resources."""

    disk_mib: float = Field(0, ge=0)
    bandwidth_kbps: float = Field(0, ge=0)


class SecretSpec(Model):
    """A secret made on the server; `share_with` names providers that must know it too."""

    share_with: tuple[AppName, ...] = ()


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
    """Commands that the installation runs at fixed moments. They must be idempotent."""

    migrate: Hook | None = None


class AppSpec(Model):
    """All that smartcity adds to a Compose file, under `x-smartcity`."""

    schema_version: Literal[1]
    version: AppVersion
    title: Text
    summary: Text
    group: Literal["layanan-publik", "e-gov", "platform"]
    owner: str = Field(min_length=1)
    source: str = Field(min_length=1)
    benefit: int = Field(ge=0, le=100)
    requires: tuple[Requirement, ...] = ()
    conflicts: tuple[AppName, ...] = ()
    staff: dict[str, Annotated[float, Field(gt=0)]] = {}
    demand: FixedDemand = FixedDemand()
    demand_per_100k: Demand = Demand()
    install_peak_mib: float = Field(0, ge=0)
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
    def images(self) -> tuple[str, ...]:
        """The image references of all services, each once, sorted."""
        return tuple(sorted({s.image for s in self.services}))

    def service(self, name: str) -> Service:
        """The service called `name`; KeyError where there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)

    def demand_for(self, population: int) -> Demand:
        """What the app needs for `population` residents: reservations, fixed part, share."""
        per, share = self.spec.demand_per_100k, population / 100_000
        return Demand(
            memory_mib=sum(s.reservation.memory_mib for s in self.services)
            + per.memory_mib * share,
            cpus=sum(s.reservation.cpus for s in self.services) + per.cpus * share,
            disk_mib=self.spec.demand.disk_mib + per.disk_mib * share,
            bandwidth_kbps=self.spec.demand.bandwidth_kbps + per.bandwidth_kbps * share,
        )
