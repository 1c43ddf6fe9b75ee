"""One adopting government: its agreement, its capacity, its servers and its settings.

A profile is a YAML file that people write; `catalogue.profile` loads it.
"""

from __future__ import annotations

import base64
import binascii
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from smartcity_pkg.catalogue.app import AppName, Architecture, Model
from smartcity_pkg.core.i18n import _

REGION_PATTERN = r"^\d{2}\.\d{2}$"
RegionCode = Annotated[str, Field(pattern=REGION_PATTERN)]
HOST_PATTERN = r"^[A-Za-z0-9\[:][A-Za-z0-9.:\[\]%_-]*$"
DOMAIN_PATTERN = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"
# Bounds far above any real machine keep a slip of the keyboard (and infinity) out of the sums.
MemoryGib = Annotated[float, Field(le=1 << 20)]
Cpus = Annotated[float, Field(le=1 << 16)]
DiskGib = Annotated[float, Field(le=1 << 30)]
Rupiah = Annotated[float, Field(ge=0, le=1e15)]
_HOST_KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
)


def _host_key(text: str) -> str:
    """A public key's line as OpenSSH writes it; its bytes repeat the type (RFC 4253, 6.6)."""
    kind, _space, rest = text.strip().partition(" ")
    try:
        blob = base64.b64decode(rest.split()[0], validate=True)
    except (IndexError, binascii.Error):
        blob = b""
    if kind not in _HOST_KEY_TYPES or not blob.startswith(
        len(kind).to_bytes(4, "big") + kind.encode()
    ):
        raise ValueError(
            _("not a host key; copy it whole from /etc/ssh/ssh_host_ed25519_key.pub on the server")
        )
    return text.strip()


HostKey = Annotated[str, AfterValidator(_host_key)]


class Document(Model):
    """A signed paper: its number and its date."""

    number: str = Field(min_length=1)
    date: date


class CooperationAgreement(Document):
    """The PKS: what it covers and until when."""

    expires: date | None = None
    apps: Literal["all"] | tuple[AppName, ...] = "all"

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> CooperationAgreement:
        if self.expires is not None and self.expires < self.date:
            raise ValueError(_("it expires before its own date"))
        return self


class Agreement(Model):
    """The memorandum (MoU) and the cooperation agreement (PKS) under it."""

    mou: Document
    pks: CooperationAgreement

    def covers(self, app: str) -> bool:
        """Whether the PKS names `app` (its dates are judged apart)."""
        return self.pks.apps == "all" or app in self.pks.apps


class Ssh(Model):
    """How to reach a server. `host_key` pins it: `ssh-ed25519 AAAA…`; else known_hosts decides."""

    host: str = Field(pattern=HOST_PATTERN)
    port: int = Field(22, ge=1, le=65535)
    user: str = Field("root", pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")
    host_key: HostKey | None = None
    key_file: str | None = Field(None, min_length=1)
    jump: str | None = Field(None, pattern=r"^([^@\s]+@)?[^@:\s]+(:\d+)?$")


class Reserved(Model):
    """What a server's own system and other work need; apps get the rest."""

    memory_gib: MemoryGib = Field(1, ge=0)
    cpus: Cpus = Field(0.5, ge=0)
    disk_gib: DiskGib = Field(10, ge=0)


class Measured(Model):
    """What `pemda probe` found on a server that day; what is declared beside it stays in force.

    `upload_mbps` and `download_mbps` are Mbit/s from and to the operator's machine; `round_trip_ms`
    is the shortest of a few commands' whole time, so at least the link's own.
    """

    date: date
    cpus: Cpus = Field(gt=0)
    memory_gib: MemoryGib = Field(gt=0)
    disk_free_gib: DiskGib = Field(ge=0)
    architecture: str
    engine: str | None = None
    upload_mbps: float | None = Field(None, gt=0)
    download_mbps: float | None = Field(None, gt=0)
    round_trip_ms: float | None = Field(None, ge=0)


class Server(Model):
    """One machine of the pemda, with its capacity. No `ssh` means this very machine."""

    name: AppName
    memory_gib: MemoryGib = Field(gt=0)
    cpus: Cpus = Field(gt=0)
    disk_gib: DiskGib = Field(gt=0)
    architecture: Architecture = "amd64"
    reserved: Reserved = Reserved()
    ssh: Ssh | None = None
    measured: Measured | None = None


class Prices(Model):
    """What one unit more of each capacity costs the pemda, in rupiah a year; None is unknown."""

    memory_gib: Rupiah | None = None
    cpu: Rupiah | None = None
    disk_gib: Rupiah | None = None
    mbps: Rupiah | None = None
    staff: dict[str, Rupiah] = {}


class Choice(Model):
    """What the pemda insists on, refuses, and prefers (benefit weights by app, 0 to 100).

    `quotas` are the most apps that a plan may hold of a group.
    """

    must: tuple[AppName, ...] = ()
    exclude: tuple[AppName, ...] = ()
    priorities: dict[AppName, Annotated[int, Field(ge=0, le=100)]] = {}
    quotas: dict[Literal["layanan-publik", "e-gov"], Annotated[int, Field(ge=0)]] = {}

    @model_validator(mode="after")
    def _no_contradiction(self) -> Choice:
        if both := sorted(set(self.must) & set(self.exclude)):
            raise ValueError(_("both in must and in exclude: {apps}").format(apps=", ".join(both)))
        return self


class Site(Model):
    """Settings that every app may read."""

    domain: str = Field("localhost", pattern=DOMAIN_PATTERN)
    timezone: Literal["Asia/Jakarta", "Asia/Pontianak", "Asia/Makassar", "Asia/Jayapura"] = (
        "Asia/Jakarta"
    )
    language: Literal["id", "en"] = "id"


class Settings(Model):
    """Site-wide settings, and each app's own (checked against the app's schema)."""

    site: Site = Site()
    apps: dict[AppName, dict[str, Any]] = {}


class BackupRules(Model):
    """How copies of backups rest in a second place: encrypted to this age recipient (`age1…`)."""

    recipient: str = Field(pattern=r"^age1[02-9ac-hj-np-z]{58}$")


class Pemda(Model):
    """The profile. `region` is the Kemendagri code, `name` the government's name.

    `budget_idr_per_year` is what the apps may cost in a year, in rupiah; None is no limit.
    """

    schema_version: Literal[1]
    region: RegionCode
    name: str = Field(min_length=1)
    population: int = Field(gt=0, le=1_000_000_000)
    agreement: Agreement
    link_mbps: float = Field(gt=0, le=1_000_000)
    staff: dict[str, Annotated[float, Field(ge=0, le=1_000_000)]] = {}
    budget_idr_per_year: Rupiah | None = None
    prices: Prices = Prices()
    servers: tuple[Server, ...] = Field(min_length=1)
    choice: Choice = Choice()
    settings: Settings = Settings()
    backup: BackupRules | None = None

    @model_validator(mode="after")
    def _servers_differ(self) -> Pemda:
        names = [s.name for s in self.servers]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(_("two servers are called {names}").format(names=", ".join(twice)))
        return self

    def server(self, name: str) -> Server:
        """The server called `name`; KeyError where there is none."""
        for server in self.servers:
            if server.name == name:
                return server
        raise KeyError(name)
