"""compose.yaml and x-smartcity: every fault is refused with its line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogue_texts import COMPOSE, Bad, only, table, write_app

from smartcity_pkg.catalogue.compose import read_app, size_bytes
from smartcity_pkg.core.errors import InputError

ROWS = [
    Bad("tab indentation", "  version:", "\tversion:", "not valid YAML", "spaces"),
    Bad(
        "a key twice",
        "  owner: Contoh\n",
        "  owner: Contoh\n  owner: Lain\n",
        "“owner” stands here twice",
        at="owner: Lain",
    ),
    Bad(
        "unbalanced bracket",
        "conflicts: []",
        "conflicts: [",
        "begins on line 13",
        "brackets",
        at="  settings:",
    ),
    Bad("unknown tag", "owner: Contoh", "owner: !!python/object:os.system {}", "is not allowed"),
    Bad("unknown scalar tag", "owner: Contoh", "owner: !env OWNER", "“!env” is not allowed"),
    Bad("folder name", "name: lapor", "name: laporan", "called “laporan”", "name: lapor"),
    Bad("no name", "name: lapor\n", "", "called “”", at="x-smartcity"),
    Bad("unknown field", "  owner:", "  ownr: a\n  owner:", "unknown field “ownr”", "spelling"),
    Bad("missing field", "  benefit: 50\n", "", "“benefit” is missing", at="x-smartcity"),
    Bad("wrong type", "benefit: 50", "benefit: banyak", "whole number (got: banyak)"),
    Bad("above range", "benefit: 50", "benefit: 101", "at most 100 (got: 101)"),
    Bad("version as number", '"1.2.0"', "1.20", "is a number", 'version: "1.20"'),
    Bad("not a version", '"1.2.0"', '"satu"', "not a version like"),
    Bad("not a range", '">=2,<3"', '"kira-kira 2"', "not a version range"),
    Bad("unknown group", "group: layanan-publik", "group: publik", "layanan-publik"),
    Bad("infinite demand", "{linux: 0.1}", "{linux: .inf}", "expected a number"),
    Bad("overlong number", "benefit: 50", f"benefit: {'9' * 50}", "not a value", "digits"),
    Bad("schema version", "schema_version: 1", "schema_version: 2", "expected 1 (got: 2)"),
    Bad("app name form", "app: basis", "app: Basis_Data", "like siap-kerja"),
    Bad("secret name form", "db_password: {share", "DB-pass: {share", "“secrets.DB-pass”"),
    Bad("file's service", "app.json.j2, service: web", "app.json.j2, service: wb", "“wb”", "web"),
    Bad("route's service", "/lapor/, service: web", "/lapor/, service: x", "“x”", "services: web"),
    Bad("hook's service", "migrate: {service: web", "migrate: {service: w", "“w”"),
    Bad("no such template", "template: app.json.j2", "template: ap.json.j2", "no template", "app."),
    Bad(
        "one target twice",
        "  routes:",
        "    - {target: /etc/app.json, template: app.json.j2, service: web}\n  routes:",
        "two files go to /etc/app.json",
    ),
    Bad(
        "one route twice",
        "  hooks:",
        "    - {path: /lapor/, service: web, port: 81, health: /lapor/x}\n  hooks:",
        "stands here twice",
    ),
    Bad("health elsewhere", "health: /lapor/healthz", "health: /healthz", "not under the route"),
    Bad(
        "undeclared secret", "secrets: [db_password]", "secrets: [x, db_password]", "no secret “x”"
    ),
    Bad(
        "secret only at the top",
        "volumes:\n  data: {}",
        "  pin: {file: ./pin}\nvolumes:\n  data: {}",
        "nothing makes the secret “pin”",
        "pin: {}",
    ),
    Bad(
        "secret only in x-smartcity",
        "    db_password: {share_with: [basis]}",
        "    db_password: {share_with: [basis]}\n    pin: {}",
        "“pin” is missing under the top-level secrets",
        "pin: {file: ./secrets/pin}",
        at="pin: {}",
    ),
    Bad(
        "share with a stranger", "share_with: [basis]", "share_with: [lain]", "“lain” is not an app"
    ),
    Bad(
        "required twice",
        "  conflicts:",
        "    - {app: basis}\n  conflicts:",
        "“basis” is required twice",
    ),
    Bad("settings: unknown type", "type: integer,", "type: intger,", "days.type"),
    Bad(
        "settings: keyword",
        "{type: string, maxLength: 20",
        "{type: string, maxLenght: 20",
        "Lenght",
    ),
    Bad("settings: default", "default: 7", "default: 70", "at most 30 (got: 70)"),
    Bad(
        "settings: remote reference",
        "{type: string, minLength: 1}",
        '{$ref: "https://contoh.example/x.json"}',
        "form ^#",
    ),
    Bad("settings: broken pattern", "maxLength: 20", 'pattern: "("', "egex"),
    Bad("no image", "    image: contoh/lapor:1.2.0\n", "", "has no image", at="  web:"),
    Bad("image without tag", "lapor:1.2.0", "lapor", "names no version", "laksa:1.0.0", "image:"),
    Bad("image latest", "lapor:1.2.0", "lapor:latest", "names no version"),
    Bad("port is no tag", "contoh/lapor:1.2.0", "reg.example:5000/lapor", "names no version"),
    Bad("image by digest", "lapor:1.2.0", f"lapor@sha256:{'a' * 64}", "fixed tag"),
    Bad("image from a variable", "lapor:1.2.0", "lapor:${TAG}", "fixed tag"),
    Bad("forbidden: extends", "    user:", "    extends: {file: x}\n    user:", "share", "anchor"),
    Bad("forbidden: mem_limit", "    user:", "    mem_limit: 1G\n    user:", "share", "limits"),
    Bad("forbidden: cpuset", "    user:", "    cpuset: '0'\n    user:", "share", "deploy"),
    Bad(
        "forbidden: volumes_from", "    user:", "    volumes_from: [a]\n    user:", "share", "both"
    ),
    Bad("Compose alone: profiles", "    user:", "    profiles: [a]\n    user:", "share"),
    Bad(
        "unknown service key",
        "    user:",
        "    enviroment: {}\n    user:",
        "unknown key",
        "environ",
    ),
    Bad("unknown top-level key", "services:", "service: {}\nservices:", "unknown key", "services"),
    Bad("version", "name: lapor", 'version: "3"\nname: lapor', "unknown key", "remove it"),
    Bad("include", "volumes:\n  data", "include: [a.yaml]\nvolumes:\n  data", "unknown key"),
    Bad(
        "long depends_on",
        "    user:",
        "    depends_on: {web: {condition: service_healthy}}\n    user:",
        "long form",
        "list of services",
    ),
    Bad("depends_on a stranger", "    user:", "    depends_on: [db]\n    user:", "no service “db”"),
    Bad(
        "replicas", "    deploy:\n", "    deploy:\n      replicas: 3\n", "runs once", at="replicas"
    ),
    Bad("global mode", "    deploy:\n", "    deploy:\n      mode: global\n", "once", at="mode"),
    Bad("memory in words", "memory: 192M", "memory: banyak", "no plain amount", "192M"),
    Bad("memory from a variable", "memory: 192M", "memory: '${MEM}'", "no plain amount"),
    Bad("negative memory", "memory: 192M", "memory: -1", "no plain amount"),
    Bad("cpus in words", 'cpus: "0.50"', "cpus: setengah", "no plain number"),
    Bad("cpus without end", 'cpus: "0.50"', 'cpus: "inf"', "no plain number"),
    Bad("cpus below nothing", 'cpus: "0.50"', "cpus: -1", "no plain number"),
    Bad("memory without end", "memory: 192M", f"memory: '{'9' * 400}'", "no plain amount"),
    Bad("capabilities as truth", "cap_drop: [ALL]", "cap_drop: true", "expected a list"),
    Bad("reserves above limit", "memory: 80M", "memory: 200M", "reserves more “memory”"),
    Bad("deploy is text", "    deploy:\n", "    deploy: x\n    x-d:\n", "expected fields"),
    Bad("secrets is text", "secrets: [db_password]", "secrets: db_password", "expected a list"),
    Bad("port without a number", "    user:", "    ports: ['80']\n    user:", "no fixed number"),
]


@table(ROWS)
def test_bad_compose_file_is_refused_with_line_and_cure(row: Bad, tmp_path: Path) -> None:
    spoilt = row.spoil(COMPOSE)
    folder = write_app(tmp_path / "lapor", spoilt)
    row.expect(spoilt, "apps/lapor/compose.yaml", lambda: read_app(folder, "apps/lapor"))


BYTES = {
    "empty file": (b"", 0, "the file is empty"),
    "only a comment": (b"# nothing\n", 0, "the file is empty"),
    "a list": (b"- 1\n", 1, "not a Compose file"),
    "not UTF-8": (COMPOSE.replace("Laporan", "Lapor\xe9").encode("latin-1"), 6, "not UTF-8 text"),
    "control character": (b"name: lapor\nx: \x00\n", 2, "not valid YAML"),
    "two documents": (b"name: lapor\n---\nname: lapor\n", 2, "not valid YAML"),
    "too deep": (b"a: " + b"[" * 50 + b"]" * 50, 1, "too deep"),
    "too large": (b"# " + b"x" * (1 << 20), 0, "larger than 1024 KiB"),
    "alias bomb": (
        b"a: &a [x, x, x, x, x, x, x, x]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 8)) for c in b"bcdefgh"
        ),
        0,
        "too many aliases",
    ),
    "merge bomb": (
        b"a: &a {k: v}\n"
        + b"".join(
            b"%c: &%c {<<: [%s]}\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 8)) for c in b"bcdefgh"
        ),
        0,
        "too many aliases",
    ),
    "an alias inside itself": (b"a: &a\n  - *a\n", 1, "inside the value that it names"),
    "a merge of itself": (b"a: &a\n  <<: *a\n", 1, "inside the value that it names"),
    "a list as key": (b"? [a, b]\n: c\n", 1, "a key must be plain text"),
    "an unknown alias": (b"a: *b\n", 1, "not valid YAML"),
}


@pytest.mark.parametrize("name", BYTES)
def test_what_is_no_compose_file_is_refused(name: str, tmp_path: Path) -> None:
    data, line, says = BYTES[name]
    folder = write_app(tmp_path / "lapor", data)
    with pytest.raises(InputError) as caught:
        read_app(folder, "lapor")
    problem = only(caught.value)
    assert problem.file == "lapor/compose.yaml"
    assert says in problem.message
    if line:
        assert problem.line == line


def test_a_missing_compose_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lapor/compose.yaml: the file does not exist"):
        read_app(tmp_path / "lapor", "lapor")


def test_all_faults_come_in_one_error_in_order_of_lines(tmp_path: Path) -> None:
    spoilt = COMPOSE.replace("memory: 192M", "memory: x").replace("lapor:1.2.0", "lapor")
    spoilt = spoilt.replace("benefit: 50", "benefit: x").replace("owner:", "ownr:")
    with pytest.raises(InputError) as caught:
        read_app(write_app(tmp_path / "lapor", spoilt), "lapor")
    lines = [p.line for p in caught.value.problems]
    assert len(lines) == 5  # a missing and an unknown field, benefit, image, memory
    assert lines == sorted(lines)


def test_a_template_that_is_not_text_is_named(tmp_path: Path) -> None:
    folder = write_app(tmp_path / "lapor", COMPOSE)
    (folder / "templates" / "app.json.j2").write_bytes(b"a\nb\xff")
    with pytest.raises(InputError) as caught:
        read_app(folder, "lapor")
    assert str(caught.value.problems[0]) == "lapor/templates/app.json.j2:2: not UTF-8 text"


def test_a_template_may_not_be_a_link_out_of_the_app(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("secret")
    folder = write_app(tmp_path / "lapor", COMPOSE, {})
    (folder / "templates" / "app.json.j2").symlink_to(outside)
    with pytest.raises(InputError, match="leads out of the app's folder"):
        read_app(folder, "lapor")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("192M", 192 << 20),
        ("192m", 192 << 20),
        ("192MB", 192 << 20),
        ("192MiB", 192 << 20),
        ("1G", 1 << 30),
        ("1.5g", 3 << 29),
        ("64 kb", 64 << 10),
        ("512b", 512),
        ("1048576", 1 << 20),
        ("", None),
        ("M", None),
        ("-1M", None),
        ("1X", None),
        ("1e6", None),
    ],
)
def test_memory_is_read_as_compose_reads_it(text: str, size: int | None) -> None:
    assert size_bytes(text) == size


def test_an_app_says_what_selection_and_rendering_need(tmp_path: Path) -> None:
    text = COMPOSE.replace("secrets: [db_password]", "secrets: [{source: db_password, target: x}]")
    text = text.replace(
        "    user:",
        "    ports: ['${HTTP_PORT:-80}:80', '127.0.0.1:81:81', {target: 1, published: 2}]\n"
        "    user:",
    )
    app = read_app(write_app(tmp_path / "lapor", text), "lapor")
    web = app.service("web")
    assert (web.limit.memory_mib, web.limit.cpus) == (192, 0.5)
    assert (web.reservation.memory_mib, web.reservation.cpus) == (80, 0.05)
    assert web.secrets == ("db_password",)
    assert web.published_ports == ("${HTTP_PORT:-80}", "127.0.0.1:81", "2")
    assert web.has_healthcheck
    assert app.compose_text == text
    assert app.templates == {"app.json.j2": "{}"}


@pytest.mark.parametrize("check", ["{disable: true}", "{test: NONE}", "{test: [NONE]}", "{}"])
def test_a_health_check_that_is_switched_off_is_none(check: str, tmp_path: Path) -> None:
    text = COMPOSE.replace('healthcheck:\n      test: [CMD, "true"]', f"healthcheck: {check}")
    assert not read_app(write_app(tmp_path / "lapor", text), "l").service("web").has_healthcheck
