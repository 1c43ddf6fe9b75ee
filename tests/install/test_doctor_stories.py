"""What the journey leaves behind holds no secret, and the doctor names what is wrong."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import io
import json
import tarfile
import time
import urllib.parse

import pytest
from install_site import OPTIONS, CutAtJournal, Site
from install_world import SERVER, Draft

from smartcity_pkg.core.errors import RolledBackError, UnreachableError
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.install import check
from smartcity_pkg.install.doctor import Diagnosis, diagnose, packed
from smartcity_pkg.install.gc import gc
from smartcity_pkg.install.history import read_history
from smartcity_pkg.install.place import Place
from smartcity_pkg.install.rotate import rotate

pytestmark = pytest.mark.lab
GOOD = Draft()
# It tells its secret to everybody: log, health check, environment-like text.
TALKING = Draft(
    serial=2,
    version="1.1.0",
    command="cat /run/secrets/sandi; echo; exec httpd -f -p 8080 -h /www",
    healthy="cat /run/secrets/sandi",
)
ODD = 'Kota "99" <a&b> \\ sandi\'surel'


def place(site: Site) -> Place:
    paths = StorePaths()
    return Place(site.host, SERVER, paths, ComposeEngine(site.host, paths))


def content(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as found:
        return {m.name: found.extractfile(m).read().decode(errors="replace") for m in found}  # type: ignore[union-attr]


def spellings(secret: str) -> list[str]:
    """How a value may be written somewhere."""
    return [
        secret,
        json.dumps(secret)[1:-1],
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode(),
    ]


def ids(diagnosis: Diagnosis) -> list[str]:
    return [cause.id for cause in diagnosis.causes]


def test_no_secret_is_found_in_anything_that_the_journey_leaves(bare: Site) -> None:
    site = bare
    # /proc is sampled all the time: whatever any program is started with.
    site.sh(
        "nohup sh -c 'while :; do cat /proc/[0-9]*/cmdline; done' >/run/started 2>/dev/null"
        " </dev/null & echo $! >/run/sampler"
    )
    value = "/var/lib/smartcity/secrets/lapor/sandi"
    secrets, told = [], []
    site.deploy(GOOD)
    secrets.append(site.sh(f"cat {value}"))
    rotate(site.host, SERVER, "lapor", "sandi", options=OPTIONS)
    secrets.append(site.sh(f"cat {value}"))
    rotate(site.host, SERVER, "lapor", "sandi", value=ODD.encode(), options=OPTIONS)
    secrets.append(ODD)
    told.append(str(site.deploy(TALKING)))
    with pytest.raises(RolledBackError) as failed:
        site.deploy(dataclasses.replace(GOOD, serial=3, version="1.3.0", migrate="exit 1"))
    told.append(failed.value.message + failed.value.hint)
    told += [site.told(), str(check.judged(check.collect(place(site))))]
    told += [str(read_history(place(site))), str(gc(site.host, SERVER, options=OPTIONS))]
    diagnosis = diagnose(place(site))
    told += [str(diagnosis.causes), *content(diagnosis.archive).values()]
    site.sh("kill $(cat /run/sampler)")
    site.sh("tr '\\0' ' ' </run/started >/run/words; test -s /run/words")

    for spelling in (s for secret in secrets for s in spellings(secret)):
        assert [text for text in told if spelling in text] == []
        site.sh("mkdir -p /run/look; cat > /run/look/for <<'END'\n" + spelling + "\nEND")
        found = site.sh(
            "grep -rlF -f /run/look/for /var/lib/smartcity /etc /root /tmp /run/words"
            " --exclude-dir=secrets || true"
        )
        assert found == ""
    logged = content(diagnosis.archive)["log-smartcity-lapor-lapor-1.txt"]
    assert "[secret removed]" in logged
    assert "[secret removed]" in content(diagnosis.archive)["inspect-smartcity-lapor-lapor-1.json"]


def test_a_healthy_server_has_nothing_wrong_and_an_archive_to_send(site: Site) -> None:
    diagnosis = diagnose(place(site))
    assert ids(diagnosis) == []
    files = content(packed([diagnosis], "baik\n"))
    assert files["summary.txt"] == "baik\n"
    assert site.name(GOOD) in files[f"{SERVER}/journal.jsonl"]
    assert "MemTotal" in files[f"{SERVER}/machine.txt"]
    assert "lapor is starting" in files[f"{SERVER}/log-smartcity-lapor-lapor-1.txt"]
    assert gzip.decompress(diagnosis.archive)
    assert site.sh("ls -d /run/smartcity-doctor.* 2>/dev/null || true") == ""


def test_passwords_of_others_in_the_environment_go_too(site: Site) -> None:
    reference = site.sh("docker inspect -f '{{.Config.Image}}' " + site.containers()["lapor"])
    label = f"com.docker.compose.project.config_files={StorePaths().releases}/1-x/compose.yaml"
    site.sh(
        f"docker create --name asing --label {label} -e 'SMTP_PASSWORD=rahasia benar'"
        f" {reference.strip()}"
    )
    archive = content(diagnose(place(site)).archive)
    site.sh("docker rm asing")
    assert "SMTP_PASSWORD=[removed]" in archive["inspect-asing.json"]
    assert "rahasia" not in archive["inspect-asing.json"]


def test_the_likeliest_cause_comes_first(site: Site) -> None:
    site.sh(f"docker stop -t 0 {site.containers()['lapor']}")
    assert ids(diagnose(place(site))) == ["stopped", "no-answer"]
    late = diagnose(place(site), clock=lambda: time.time() + 365 * 86400)
    assert ids(late) == ["stopped", "clock", "no-answer"]


def test_an_interrupted_installation_is_named(site: Site) -> None:
    site.world.ship(site.host, TALKING)
    with pytest.raises(UnreachableError):
        site.install(TALKING, host=CutAtJournal(site.host, "install", "begin"))  # type: ignore[arg-type]
    site.sh("echo -1000 > /var/lib/smartcity/lock/lease")
    [cause] = diagnose(place(site)).causes
    assert cause.id == "interrupted"
    assert site.name(TALKING) in cause.text
