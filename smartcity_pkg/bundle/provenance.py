"""What a bundle was made from: SLSA provenance v1 in an in-toto statement; no I/O, no clock.

All but the checkout and the version of smartcity follows from the release, so that a reader need
not interpret a statement: it makes the same one and compares bytes. Sources: slsa.dev/spec/v1.0
(provenance), in-toto attestation framework v1 (statement).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from smartcity_pkg.bundle import dsse, strictjson
from smartcity_pkg.catalogue.checkout import Checkout
from smartcity_pkg.catalogue.release import Release
from smartcity_pkg.core import digest

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_BUILD_TYPE = "urn:smartcity:pack:v1"
_BUILDER = "urn:smartcity:cli"
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?")


class FalseStatementError(ValueError):
    """The statement is not what this release's would be."""


@dataclass(frozen=True)
class Origin:
    """What cannot be derived from a release: the catalogue's checkout, the program's version."""

    checkout: Checkout
    version: str


def envelope_for(root_digest: str, release: Release, origin: Origin) -> dsse.Envelope:
    """The statement about a bundle, ready to be signed."""
    return dsse.Envelope(
        PAYLOAD_TYPE, digest.canonical_json(_statement(root_digest, release, origin))
    )


def origin_of(envelope: dsse.Envelope, root_digest: str, release: Release) -> Origin:
    """What a statement adds to its release; FalseStatementError where anything else differs."""
    try:
        predicate = strictjson.loads(envelope.payload, dsse.MAX_BYTES)["predicate"]
        catalogue = predicate["buildDefinition"]["resolvedDependencies"][0]
        commit = catalogue["digest"].get("gitCommit", "")
        dirty = catalogue.get("annotations", {}).get("dirty", False)
        version = predicate["runDetails"]["builder"]["version"]["smartcity"]
    except (strictjson.UnsafeJsonError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise FalseStatementError(type(error).__name__) from error
    right_types = isinstance(commit, str) and isinstance(dirty, bool) and isinstance(version, str)
    if not right_types or not _COMMIT.fullmatch(commit) or len(version) > 64:
        raise FalseStatementError("checkout")
    origin = Origin(Checkout(commit, dirty), version)
    if envelope_for(root_digest, release, origin).payload != envelope.payload:
        raise FalseStatementError("content")
    if envelope.payload_type != PAYLOAD_TYPE:
        raise FalseStatementError("type")
    return origin


def _statement(root_digest: str, release: Release, origin: Origin) -> dict[str, Any]:
    plan = digest.of_bytes(digest.canonical_json(release.plan.model_dump(mode="json")))
    return {
        "_type": _STATEMENT_TYPE,
        "subject": [{"name": release.name, "digest": _sha256(root_digest)}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {
                    "region": release.region,
                    "serial": release.serial,
                    "plan": _sha256(plan),
                    "profile": _sha256(release.plan.profile_digest),
                },
                "internalParameters": {"release": _sha256(release.digest)},
                "resolvedDependencies": [
                    _catalogue(release, origin.checkout),
                    *(
                        {
                            "name": image.source,
                            "digest": _sha256(image.config_digest),
                            "annotations": {"platform": f"{image.os}/{image.architecture}"},
                        }
                        for image in release.images
                    ),
                ],
            },
            "runDetails": {
                "builder": {"id": _BUILDER, "version": {"smartcity": origin.version}},
            },
        },
    }


def _catalogue(release: Release, checkout: Checkout) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": "catalogue",
        "digest": _sha256(release.plan.catalogue_digest),
    }
    if checkout.commit:
        entry["digest"]["gitCommit"] = checkout.commit
        entry["annotations"] = {"dirty": checkout.dirty}
    return entry


def _sha256(of: str) -> dict[str, str]:
    return {"sha256": digest.hex_of(of)}
