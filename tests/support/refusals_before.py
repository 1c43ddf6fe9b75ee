"""Refusals before anything is touched: reaching a server, checking it, and what was sent to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from typing import Any

from bundle_world import grant_bytes
from install_facts import AROUND, BAD, FACTS, WARNED, engine, facts
from install_world import SERVER, Draft
from private_sshd import PLAIN_USER, free_port, running
from refusal_stage import BETTER, GOOD, Sections, Stage

from smartcity_pkg.bundle.grant import parse
from smartcity_pkg.bundle.ring import Ring, RingKey
from smartcity_pkg.bundle.trust import TrustedKeys, check_grant
from smartcity_pkg.cli.wiring import servers as server_wiring
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.hosts import ssh
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.facts import FileSystem
from smartcity_pkg.hosts.host import DISK_FULL_STATUS, script
from smartcity_pkg.install import check, images, installed, offers, preflight, watermark
from smartcity_pkg.install.lock import Lock
from smartcity_pkg.install.question import Question

# -- reaching a server ----------------------------------------------------------------------------


@contextmanager
def _sshd(stage: Stage) -> Iterator[Any]:
    with running() as server:
        stage.hide(str(server.port), "22")
        stage.hide(server.host_key.split()[1], "AAAAC3NzaC1lZDI1NTE5AAAAI…")
        stage.hide(str(server.folder), "/home/budi/.ssh")
        yield server.address


def no_name(_stage: Stage) -> None:
    ssh.connect(SshAddress("tidak-ada.invalid"), name="layanan")


def no_port(stage: Stage) -> None:
    port = free_port()
    stage.hide(str(port), "22")
    ssh.connect(SshAddress("127.0.0.1", port), name="layanan")


def unknown_host_key(stage: Stage) -> None:
    with _sshd(stage) as address:
        ssh.connect(dataclasses.replace(address, host_key=None), name="layanan")


def changed_host_key(stage: Stage) -> None:
    with _sshd(stage) as address:
        kind, body = address.host_key.split()
        other = f"{kind} {body[:-4]}AAAA"
        ssh.connect(dataclasses.replace(address, host_key=other), name="layanan")


def unknown_user(stage: Stage) -> None:
    with _sshd(stage) as address:
        ssh.connect(dataclasses.replace(address, user="tidakada"), name="layanan")


def no_sudo(stage: Stage) -> None:
    with _sshd(stage) as address:
        stage.hide(PLAIN_USER, "teknisi")
        ssh.connect(dataclasses.replace(address, user=PLAIN_USER), name="layanan")


def lost_link(stage: Stage) -> None:
    with running() as server:
        host = ssh.connect(server.address, name="layanan")
        server.cut()
        host.run(("true",))


def killed_shell(stage: Stage) -> None:
    with _sshd(stage) as address:
        host = ssh.connect(address, name="layanan")
        host.run(script("# start the app\nkill -KILL $(ps -o ppid= $(ps -o ppid= $$))"))


def no_such_server(stage: Stage) -> None:
    server_wiring.server_status(stage.session, "32.15", ["s9"])


def locked(stage: Stage) -> None:
    place = stage.place()
    with Lock(place.host, place.store, owner="siti@kominfo"), Lock(place.host, place.store):
        pass


def lock_taken_over(stage: Stage) -> None:
    place = stage.place()
    with Lock(place.host, place.store) as lock:
        place.host.run(script('echo other > "$1/token"', str(place.store.lock)))
        lock.renew()
        lock.check()


def full_disk(stage: Stage) -> None:
    stage.place().host.run(script(f"# write the journal\nexit {DISK_FULL_STATUS}"))


def _engine(stage: Stage, found: Any) -> None:
    place = stage.place()
    ComposeEngine(place.host, place.store).check(found)


# -- check, and what install checks first ---------------------------------------------------------


def _question(stage: Stage, **changes: Any) -> Question:
    asked = Question(SERVER, FACTS, 1010, stage.release(Draft()), stage.world.files(Draft()))
    return dataclasses.replace(asked, **{"around": AROUND, **changes})


def refused_by_rules(stage: Stage, **changes: Any) -> None:
    preflight.require("layanan", preflight.judge(_question(stage, **changes)))


def no_room_for_images(stage: Stage) -> None:
    made = stage.release(Draft())
    small = facts(engine_disk=FileSystem(2, 10_000, 10**9))
    refused_by_rules(stage, facts=small, missing=made.images_on(SERVER))


def agreement(stage: Stage, today: str) -> None:
    at = datetime.fromisoformat(f"{today}T12:00:00").timestamp()
    grant = parse(grant_bytes(stage.world.key, expires=date(2026, 6, 30)))[0]
    refused_by_rules(stage, grant=grant, clock_s=at, facts=facts(clock_s=at))


def memory_is_short_now(stage: Stage) -> None:
    refused_by_rules(stage, facts=facts(memory_available_bytes=32 * 2**20))


def asks_for_too_much(stage: Stage) -> None:
    files = dict(stage.world.files(Draft()))
    [path] = [p for p in files if p.endswith("lapor/compose.yaml")]
    files[path] = files[path].replace(b"    image:", b"    privileged: true\n    image:")
    refused_by_rules(stage, files=files)


def no_such_rule(_stage: Stage) -> None:
    preflight.check_names(["cuaca"])


def no_facts_file(stage: Stage) -> None:
    stage.hide(str(stage.folder), "")
    check.load(stage.folder / "tidak-ada.json")


def other_file(stage: Stage) -> None:
    stage.hide(str(stage.folder), "")
    (stage.folder / "lain.json").write_text("{}")
    check.load(stage.folder / "lain.json")


# -- what the store holds -------------------------------------------------------------------------


def _verified(stage: Stage, trusted: TrustedKeys, damage: str = "") -> None:
    place = stage.offered(GOOD)
    name = stage.release(GOOD).name
    place.host.run(script(damage or ":", str(place.store.root), name))
    offers.verified_release(place, name, trusted)


def store_is_empty(stage: Stage) -> None:
    offers.choose(stage.place(), None)


def store_lacks_release(stage: Stage) -> None:
    offers.choose(stage.offered(GOOD), "9-0123456789ab")


def two_of_a_number(stage: Stage) -> None:
    other = dataclasses.replace(GOOD, page="lain")
    names = sorted(stage.release(d).name for d in (GOOD, other))
    for name, shown in zip(names, ("1-0123456789ab", "1-ba9876543210"), strict=True):
        stage.hide(name, shown)
    offers.choose(stage.offered(GOOD, other), None)


def offer_damaged(stage: Stage) -> None:
    _verified(stage, stage.world.trusted, 'echo x > "$1/store/releases/$2.json"')


def offer_of_another(stage: Stage) -> None:
    place = stage.offered(GOOD, BETTER)
    a, b = (str(place.store.offer(stage.release(d).name)) for d in (GOOD, BETTER))
    place.host.run(("cp", a, b))
    offers.verified_release(place, stage.release(BETTER).name, stage.world.trusted)


def document_missing(stage: Stage) -> None:
    _verified(stage, stage.world.trusted, 'rm "$1"/store/blobs/sha256/*')


def document_damaged(stage: Stage) -> None:
    _verified(
        stage, stage.world.trusted, 'for f in "$1"/store/blobs/sha256/*; do echo x >> "$f"; done'
    )


def no_trusted_key(stage: Stage) -> None:
    _verified(stage, TrustedKeys())


def too_few_keys(stage: Stage) -> None:
    _verified(stage, dataclasses.replace(stage.world.trusted, threshold=2))


def revoked_key(stage: Stage) -> None:
    [(key_id, pem)] = stage.world.trusted.pem_by_id.items()
    key = RingKey(key_id, pem, "kantor", revoked=date(2026, 5, 1), reason="laptop hilang")
    _verified(stage, Ring((key,)).on(date(2026, 5, 2)))


def signature_forged(stage: Stage) -> None:
    forged = (
        """sed -i 's/"signature": *"[^"]*"/"signature":"MEUCIQ=="/' "$1/store/releases/$2.json" """
    )
    _verified(stage, stage.world.trusted, forged)


def no_grant(stage: Stage) -> None:
    check_grant(b"", stage.world.trusted)


def grant_of_no_trusted_key(stage: Stage) -> None:
    check_grant(grant_bytes(stage.world.key), TrustedKeys())


def grant_damaged(stage: Stage) -> None:
    check_grant(b"{}", stage.world.trusted)


def layer_damaged(stage: Stage) -> None:
    place = stage.offered(GOOD)
    release = stage.release(GOOD)
    layer = str(place.store.blob(release.images[0].diff_ids[0]))
    place.host.run(script('echo x >> "$1"', layer))
    images.check_content(place, release, release.images, FACTS)


def layers_missing(stage: Stage) -> None:
    release = stage.release(GOOD)
    place = stage.offered(GOOD, leave_out=release.images[0].diff_ids)
    images.check_content(place, release, release.images[:1], FACTS)


def files_not_those_of_the_release(stage: Stage) -> None:
    release = stage.release(GOOD)
    path = next(iter(release.files))
    lying = release.model_copy(update={"files": {**release.files, path: release.digest}})
    installed.unpack(stage.offered(GOOD), lying)


# -- the number and the pemda ---------------------------------------------------------------------


def _judge(stage: Stage, had: Draft, new: Draft) -> None:
    mark = watermark.Watermark.of(stage.release(had))
    history = watermark.History(mark)
    watermark.judge("layanan", stage.release(new), history, allow_downgrade=False)


def other_pemda(stage: Stage) -> None:
    _judge(stage, dataclasses.replace(GOOD, region="32.16"), GOOD)


def older_release(stage: Stage) -> None:
    _judge(stage, BETTER, GOOD)


def same_number(stage: Stage) -> None:
    other = dataclasses.replace(GOOD, page="lain")
    stage.hide(stage.release(other).name, "1-ba9876543210")
    _judge(stage, GOOD, other)


def watermark_damaged(stage: Stage) -> None:
    place = stage.place()
    place.host.run(script('echo x > "$1"', str(place.store.watermark)))
    watermark.read(place)


SECTIONS: Sections = {
    ("Reaching a server, all commands", "Menghubungi server, semua perintah"): (
        *(
            no_name,
            no_port,
            unknown_host_key,
            changed_host_key,
            unknown_user,
            no_sudo,
            lost_link,
            killed_shell,
        ),
        *(no_such_server, locked, lock_taken_over, full_disk),
        partial(_engine, found=facts(engine=None, docker_installed=False)),
        partial(_engine, found=facts(engine=None)),
        partial(_engine, found=engine(compose_version="")),
    ),
    ("check, and what install checks first", "check, dan yang diperiksa install lebih dulu"): (
        *(partial(refused_by_rules, **changes) for changes, _rule, _words in BAD.values()),
        *(no_room_for_images, memory_is_short_now),
        *(partial(agreement, today=day) for day in ("2019-12-31", "2026-07-01")),
        *(partial(refused_by_rules, **changes) for changes, told in WARNED.values() if not told),
        *(asks_for_too_much, no_such_rule, no_facts_file, other_file),
    ),
    ("install: what was sent", "install: yang dikirim"): (
        *(store_is_empty, store_lacks_release, two_of_a_number, offer_damaged, offer_of_another),
        *(document_missing, document_damaged, no_trusted_key, too_few_keys, revoked_key),
        *(signature_forged, no_grant, grant_of_no_trusted_key, grant_damaged, layer_damaged),
        *(layers_missing, files_not_those_of_the_release),
    ),
    ("install: which release", "install: rilis yang mana"): (
        *(other_pemda, older_release, same_number, watermark_damaged),
    ),
}
