"""Secrets that were written out: what is found, what is not, and that no value is ever shown."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from bundle_world import FILES, Keys, config_of, layer, packed, write_layout
from render_world import a_pemda, a_plan

from smartcity_pkg.bundle.admission import refuse_leaks
from smartcity_pkg.bundle.leaks import in_files, in_image
from smartcity_pkg.bundle.sources.layout import layout_source
from smartcity_pkg.catalogue.catalogue import load_catalogue
from smartcity_pkg.catalogue.policy import NOTHING_EXEMPT, Policy
from smartcity_pkg.core.errors import InputError
from smartcity_pkg.render.render import render
from smartcity_pkg.render.templates import read_shared_templates

ROOT = Path(__file__).parents[3]
# Put together here, so that no scanner takes this file for a leak.
PEM = "-----BEGIN {} KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\nx9\n-----END"
RANDOM = "kD8s2" + "Lq0Zp7xW4v"
A36 = "a1B2c3D4e5F6" * 3

FOUND = {
    "a private key": (PEM.format("PRIVATE"), "private-key"),
    "an RSA key": (PEM.format("RSA PRIVATE"), "private-key"),
    "an OpenSSH key": (PEM.format("OPENSSH PRIVATE"), "private-key"),
    "an encrypted key": (PEM.format("ENCRYPTED PRIVATE"), "private-key"),
    "a key in JSON": (f'{{"key": {json.dumps(PEM.format("EC PRIVATE"))}}}', "private-key"),
    "PuTTY's": ("PuTTY-User-Key-File-" + "3: ssh-ed25519\nEncryption: none\n", "private-key"),
    "Amazon": ("id = AKIA" + "Q3EGRV7MNXB2HTLP", "token"),
    "GitHub": (f"# see ghp_{A36}", "token"),
    "GitHub, fine": ("t: github_pat_" + A36 * 2, "token"),
    "GitLab": ("glpat-" + "x1Y2z3A4b5C6d7E8f9G0", "token"),
    "Slack": ("xoxb-" + "123456789012-abcdefABCDEF", "token"),
    "Google": ("key=AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q"[:35], "token"),
    "Stripe": ("sk_live_" + A36, "token"),
    "npm": ("//r/:_authToken=npm_" + A36, "token"),
    "Telegram": ("bot 123456789:AA" + "Hk3Lm9Qp2Rs5Tv8Wx1Yz4Bc7Df0Gh3Jk6M"[:33], "token"),
    "Midtrans": ("server: Mid-server-" + "a1B2c3D4e5F6g7H8i9J0k1L2", "token"),
    "a JWT": (
        "anon: eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3ODkw" + "." + A36,
        "token",
    ),
    "a database's URL": ("postgresql://laksa:" + "s3cr3tW0rd@db/laksa", "url-password"),
    "without a user": ("redis://:" + "s3cr3tW0rd@cache:6379/0", "url-password"),
    "a proxy": ("proxy_pass http://u:" + "hunter22@10.0.0.1:3128;", "url-password"),
    "env": ("DB_PASSWORD=" + RANDOM, "named-secret"),
    "env in quotes": (f'export SMTP_PASS_PHRASE=x\nMAIL_PASSWORD="{RANDOM}"', "named-secret"),
    "yaml": (f"      SECRET_KEY: {RANDOM}", "named-secret"),
    "yaml list": (f"  - JWT_SECRET={RANDOM}", "named-secret"),
    "json": (f'{{"smtp": {{"password": "{RANDOM}"}}}}', "named-secret"),
    "ini": (f"secret_key = '{RANDOM}'", "named-secret"),
    "camel case": (f'"apiKey": "{RANDOM}"', "named-secret"),
    "hex": ("APP_KEY=" + "9f86d081884c7d659a2feaa0c55ad015", "named-secret"),
    "base64": ("SESSION_SECRET=" + "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA==", "named-secret"),
    "weak": ("ADMIN_PASSWORD=" + "Tangerang2024!", "named-secret"),
    "an option": ("command: redis-server --requirepass " + RANDOM, "named-secret"),
    "an option with =": ("exec app --admin-password=" + RANDOM, "named-secret"),
}

HARMLESS = {
    "a reference": "POSTGRES_PASSWORD_FILE=/run/secrets/db_password",
    "a path": "db_password: /run/secrets/db_password",
    "a variable": "DB_PASSWORD=${DB_PASSWORD}",
    "a variable with a default": "DB_PASSWORD: ${DB_PASSWORD:-}",
    "an escaped variable": "password=$$PASSWORD",
    "a template": "password = {{ settings.password }}",
    "a shell's": 'password="$(cat /run/secrets/db_password)"',
    "a name of a secret": '"password": "laksa_db_password"',
    "a list of names": "secrets: [db_password, session_key1, officer_password]",
    "nothing": "DB_PASSWORD=",
    "a placeholder": "DB_PASSWORD=change-me-12345",
    "a placeholder in Indonesian": "DB_PASSWORD=ganti-dengan-SANDI-9",
    "your own": "API_KEY=your-api-key-Goes1Here",
    "stars": "password: ********",
    "an example": "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
    "a method": "password_encryption = scram-sha-256",
    "a method under a bare name": "auth_token: scram-sha-256",
    "a switch": "ENABLE_TOKENS=true",
    "a number": "token_ttl_token=36000000",
    "a date": "secret_token: 2026-11-24",
    "a digest": "app_secret: sha256:" + "9f86d081884c7d65" * 4,
    "a fingerprint": "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D",
    "a public key": "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END",
    "a certificate": "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUfE\n-----END",
    "words about a key": 'if "-----BEGIN PRIVATE KEY-----" in text: refuse()',
    "an address": "https://karawang.example/laksa/?token=",
    "an address of a token": "TOKEN_URL=https://sso.karawang.example/oauth2/v1",
    "a user without password": "postgresql://laksa@db/laksa",
    "a variable in an address": "postgresql://laksa:${DB_PASSWORD}@db/laksa",
    "a template in an address": "postgresql://laksa:{{ x }}@db/laksa",
    "a placeholder in an address": "postgresql://user:changeme@db/laksa",
    "a port": "http://127.0.0.1:8080/x@y",
    "nginx": "proxy_set_header X-Token $http_x_token;",
    "code": "token = os.environ['TOKEN']",
    "a code call": "password = read_secret(Path1)",
    "an app's text": "Kata sandi: lihat berkas Rahasia2024 di lemari",
    "a field's title": "officer_password: Kata",
    "a layer": "diff_id: sha256:" + "ab12" * 16,
    "a hash of npm": '"integrity": "sha512-Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5MA=="',
    "JSON schema": '"token": {"type": "string", "minLength": 12}',
    "a csrf field": '<input name="csrf_token" value="">',
}


@pytest.mark.parametrize("name", FOUND)
def test_a_secret_in_a_file_is_found_by_its_rule(name: str) -> None:
    text, rule = FOUND[name]
    leaks = in_files({"s/app/x": f"first: line\n{text}\n".encode()})
    assert [leak.rule for leak in leaks] == [rule]
    assert int(leaks[0].at) >= 2


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_secret_is_left_alone(name: str) -> None:
    assert in_files({"x": HARMLESS[name].encode()}) == ()
    image = config_of([], Env=[HARMLESS[name]], Cmd=["sh", "-c", HARMLESS[name]])
    assert in_image("x:1", image) == ()


def test_the_bundled_catalogue_has_no_finding_at_all() -> None:
    catalogue = load_catalogue(ROOT / "bundles")
    shared = read_shared_templates(ROOT / "templates")
    files = render(a_plan(catalogue), catalogue, a_pemda(), shared=shared, pins={}).files
    assert len(files) >= 18
    assert in_files(files) == ()


def test_nor_has_any_file_of_the_apps_themselves() -> None:
    paths = [p for p in (ROOT / "bundles").rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert len(paths) > 50
    assert in_files({str(p): p.read_bytes() for p in paths}) == ()


IMAGE = {
    "Env": {"Env": ["PATH=/bin", f"DB_PASSWORD={RANDOM}"]},
    "Labels": {"Labels": {"org.example.token": f"ghp_{A36}"}},
    "Cmd": {"Cmd": ["server", "--requirepass", RANDOM]},
    "Entrypoint": {"Entrypoint": ["sh", "-c", f"API_KEY={RANDOM} exec app"]},
    "Healthcheck": {"Healthcheck": {"Test": ["CMD-SHELL", f"curl http://u:{RANDOM}@localhost/"]}},
}


@pytest.mark.parametrize("name", IMAGE)
def test_a_secret_in_an_images_config_is_found_at_its_place(name: str) -> None:
    (leak,) = in_image("contoh/lapor:1", config_of([], **IMAGE[name]))
    assert leak.at.startswith(name)
    assert leak.where == "contoh/lapor:1"


@pytest.mark.parametrize(
    "step",
    [f"/bin/sh -c #(nop)  ENV DB_PASSWORD={RANDOM}", f"|1 NPM_TOKEN={RANDOM} /bin/sh -c npm ci",
     f"RUN /bin/sh -c git clone https://budi:{RANDOM}@git.example/x # buildkit"],
)  # fmt: skip
def test_a_secret_in_an_images_history_is_found(step: str) -> None:
    document: dict[str, Any] = json.loads(config_of([]))
    document["history"] = [{"created_by": "ADD rootfs.tar /"}, {"created_by": step}]
    (leak,) = in_image("x:1", json.dumps(document).encode())
    assert leak.at == "history.1.created_by"


def refusal(files: dict[str, bytes], configs: dict[str, bytes], policy: Policy) -> InputError:
    with pytest.raises(InputError) as refused:
        refuse_leaks(files, configs, policy)
    return refused.value


def test_the_message_names_the_place_and_never_the_secret() -> None:
    files = {"s1/lapor/.env": f"A=1\nDB_PASSWORD={RANDOM}\n".encode()}
    error = refusal(files, {"contoh/lapor:1": config_of([], **IMAGE["Env"])}, NOTHING_EXEMPT)
    of_file, of_image = error.problems
    assert (of_file.file, of_file.line) == ("s1/lapor/.env", 2)
    assert "DB_PASSWORD" in of_file.message
    assert (of_image.file, "Env.DB_PASSWORD" in of_image.message) == ("contoh/lapor:1", True)
    assert error.exit_code == 20
    assert error.hint
    for length in range(3, len(RANDOM)):
        assert RANDOM[:length] not in f"{error}{error.hint}"
    assert f"{RANDOM[:2]}…, {len(RANDOM)}" in str(error)


@pytest.mark.parametrize("name", FOUND)
def test_no_message_shows_more_than_two_letters(name: str) -> None:
    text, _rule = FOUND[name]
    error = refusal({"f": text.encode()}, {}, NOTHING_EXEMPT)
    for word in text.replace('"', " ").replace("'", " ").split():
        value = word.split("=")[-1].rpartition("://")[2]
        if len(value) >= 16 and any(c.isdigit() for c in value):
            assert value[:8] not in str(error)


@pytest.mark.parametrize(
    "text",
    ["a" * 500_000, "a.b-" * 125_000, "password=" * 60_000, "x://" * 100_000, "- " * 200_000,
     "-----BEGIN PRIVATE KEY-----" * 20_000, "eyJ" * 150_000, "password = " + " " * 500_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_no_text_keeps_the_search_busy(text: str) -> None:
    started = time.process_time()
    in_files({"x": text.encode()})
    assert time.process_time() - started < 3


# -- what is allowed ------------------------------------------------------------------------------

FILES_WITH = {"s1/lapor/.env": f"DB_PASSWORD={RANDOM}\n".encode()}
ENTRY = {"where": "s1/lapor/.env", "rule": "named-secret", "reason": "A value of the handbook only"}
SHA = hashlib.sha256(RANDOM.encode()).hexdigest()


def allowing(**changes: str | None) -> Policy:
    return Policy.model_validate({"schema_version": 1, "secrets": [{**ENTRY, **changes}]})


@pytest.mark.parametrize(
    "entry",
    [
        {"value_sha256": SHA},
        {"path": "DB_PASSWORD"},
        {"where": "*/lapor/.env", "value_sha256": SHA},
    ],
    ids=str,
)
def test_a_finding_that_a_person_explained_passes(entry: dict[str, str]) -> None:
    refuse_leaks(FILES_WITH, {}, allowing(**entry))


@pytest.mark.parametrize(
    "entry",
    [
        {"value_sha256": "0" * 64},
        {"path": "DB_PASSWORD", "value_sha256": "0" * 64},
        {"path": "OTHER"},
        {"where": "s2/*", "value_sha256": SHA},
        {"rule": "token", "value_sha256": SHA},
    ],
    ids=str,
)
def test_an_explanation_of_something_else_does_not_help(entry: dict[str, str]) -> None:
    refusal(FILES_WITH, {}, allowing(**entry))


def test_pack_refuses_and_leaves_no_bundle(keys: Keys, tmp_path: Path) -> None:
    images = {"contoh/lapor:1": [layer({"x": b"1"})]}
    source = layout_source(write_layout(tmp_path / "source", images))
    out = tmp_path / "out.tar"
    leaking = {**FILES, **FILES_WITH}
    with pytest.raises(InputError) as refused:
        packed(source, list(images), keys, out, cache=tmp_path / "cache", files=leaking)
    assert [p.file for p in refused.value.problems] == ["s1/lapor/.env"]
    assert not out.exists()
    packed(source, list(images), keys, out, cache=tmp_path / "cache")
    assert out.exists()
