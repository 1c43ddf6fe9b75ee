"""The workspace's `policy.yaml`: who may ask for more than the rules allow, and why.

What is asked for is found in `audit` (Compose files) and `bundle.leaks` (secrets); the verdict is
given in `exemption`. `catalogue lint` and `pack` read this file; `install` does not, because the
exemptions that a release needs travel in it.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smartcity_pkg.catalogue import yamlfile
from smartcity_pkg.catalogue.app import Model
from smartcity_pkg.catalogue.exemption import Exemption, Reason
from smartcity_pkg.core.i18n import _

FILE = "policy.yaml"

LeakRule = Literal["private-key", "token", "url-password", "named-secret"]


class AllowedSecret(Model):
    """Something that looks like a secret and may travel: a test value, a public key's name.

    `where` is the path of a rendered file (`<server>/<app>/…`) or an image's name, with `*` for
    any part. One of the others says which value: its sha256, or the name that it stands under.
    """

    where: str = Field(min_length=1)
    rule: LeakRule
    reason: Reason
    value_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    path: str | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.value_sha256 is None and not self.path:
            raise ValueError(_("say which value: value_sha256, or path (the name it stands under)"))
        return self


class Policy(Model):
    """What `policy.yaml` says. Without the file nothing is exempt."""

    schema_version: Literal[1]
    exemptions: tuple[Exemption, ...] = ()
    secrets: tuple[AllowedSecret, ...] = ()

    def on(self, today: date) -> Policy:
        """The policy without what has expired before `today`."""
        kept = tuple(e for e in self.exemptions if e.counts_on(today))
        return self.model_copy(update={"exemptions": kept})


NOTHING_EXEMPT = Policy(schema_version=1)


def load_policy(path: Path, shown: str | None = None) -> tuple[Policy, yamlfile.Document]:
    """The policy in the file at `path` and its document; no file means that nothing is exempt.

    Raises InputError (exit code 20) that lists every fault of the file.
    """
    name = shown or str(path)
    if not path.exists():
        return NOTHING_EXEMPT, yamlfile.Document(name, {})
    document = yamlfile.read(path, name)
    return yamlfile.validate(document, Policy), document
