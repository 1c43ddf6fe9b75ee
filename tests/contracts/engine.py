"""The contract of `Engine`, run on every implementation: see the docstring of engines/engine.py.

A test module subclasses `EngineContract` and gives the fixture `rig`: an engine that is its own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import yaml
from install_world import Image, base_layer, busybox_of, image, tar_of

from smartcity_pkg.catalogue.app import Hook
from smartcity_pkg.catalogue.release import ReleaseImage
from smartcity_pkg.core import digest
from smartcity_pkg.core.errors import EngineError
from smartcity_pkg.engines.compose import ComposeEngine
from smartcity_pkg.engines.engine import ContainerState, Engine, Project
from smartcity_pkg.hosts.address import SshAddress
from smartcity_pkg.hosts.facts import EngineFacts, gather
from smartcity_pkg.hosts.host import Host, script
from smartcity_pkg.hosts.ssh import connect
from smartcity_pkg.hosts.store import StorePaths
from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

NETWORK = "smartcity-uji"
_CONTAINERD = '{"features": {"containerd-snapshotter": true}}'
HEALTHY = {"test": ["CMD", "true"], "interval": "1s", "retries": 2}


@dataclass
class Rig:
    """A server with an engine, and what the tests put on it."""

    server: Server
    host: Host
    engine: Engine
    base: bytes = field(repr=False)
    store: StorePaths = field(default_factory=StorePaths)

    def put(self, *contents: bytes) -> None:
        """Contents into the store, under their digests."""
        for content in contents:
            path = str(self.store.blob(digest.of_bytes(content)))
            self.host.run(script('mkdir -p "${1%/*}"; cat > "$1"', path), stdin=content)

    def image(self, name: str = "uji/app:1") -> Image:
        """An image whose upper layer is new; its content is not in the store yet."""
        return image(name, (self.base, tar_of({"etc/which": f"{name} {time.time_ns()}"})))

    def loaded(self, name: str = "uji/app:1") -> Image:
        """An image that the engine has."""
        made = self.image(name)
        self.put(*made.layers)
        self.engine.load(made.described, made.config)
        return made

    def project(self, name: str, made: Image, **service: object) -> Project:
        """An app of one service `web` on the server's disk."""
        folder = f"/var/lib/smartcity/releases/1-a/s1/{name}"
        reference = made.described.reference
        own = {"services": {"web": {"image": "uji/app:1", "volumes": ["data:/data"], **service}},
               "volumes": {"data": {}}}  # fmt: skip
        second = {
            "services": {"web": {"image": reference, "pull_policy": "never",
                                 "networks": ["default", NETWORK]}},
            "networks": {NETWORK: {"external": True}},
        }  # fmt: skip
        put = script('mkdir -p "$1"; cat > "$1/$2"', folder, "compose.yaml")
        self.host.run(put, stdin=yaml.safe_dump(own).encode())
        put = script('cat > "$1/$2"', folder, "compose.smartcity.yaml")
        self.host.run(put, stdin=yaml.safe_dump(second).encode())
        self.host.run(script('echo "WHICH=$2" > "$1/.env"', folder, name))
        return Project(
            name=f"smartcity-{name}",
            directory=folder,
            files=(f"{folder}/compose.yaml", f"{folder}/compose.smartcity.yaml"),
            env_file=f"{folder}/.env",
            networks=(NETWORK,),
        )

    def facts(self) -> EngineFacts:
        """What the engine says about itself."""
        return self.engine.check(gather(self.host, self.store))

    def has(self, image: ReleaseImage) -> bool:
        """Whether the engine has an image, whole."""
        return self.engine.whole([image]) == {image.reference}

    def docker(self, *words: str) -> str:
        """What `docker` on the server says."""
        return self.server.run(["docker", *words]).stdout

    def references(self) -> set[str]:
        """All image names of the engine."""
        return set(self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())


def address_of(lab: Lab, server: Server) -> SshAddress:
    return SshAddress(host=server.address, host_key=server.host_key, key_file=str(lab.client_key))


def use_containerd_store(server: Server) -> None:
    server.stop_engine()
    folder = server.path("/etc/docker")
    folder.mkdir(exist_ok=True)
    (folder / "daemon.json").write_text(_CONTAINERD)
    server.start_engine()


def rig_on(lab: Lab, server: Server) -> Iterator[Rig]:
    host = connect(address_of(lab, server), name=server.name)
    store = StorePaths()
    base = base_layer(busybox_of(lab.root_fs.ssh))
    yield Rig(server, host, ComposeEngine(host, store), base)
    host.close()
    server.remove()


def until(look: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
    """Poll until `look` is true."""
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, what


@pytest.mark.lab
class EngineContract:
    @pytest.fixture(autouse=True)
    def _clean(self, rig: Rig) -> Iterator[None]:
        yield
        rig.engine.purge([f"smartcity-{n}" for n in ("satu", "dua")])
        rig.engine.remove_networks([NETWORK])

    def one(self, rig: Rig, project: Project) -> ContainerState:
        [state] = rig.engine.states([project.name])
        return state

    # -- facts --------------------------------------------------------------------------------

    def test_the_engine_says_what_it_is(self, rig: Rig) -> None:
        facts = rig.facts()
        assert int(facts.version.split(".")[0]) >= 20
        assert int(facts.compose_version.lstrip("v").split(".")[0]) >= 2
        assert facts.root_dir == "/var/lib/docker"

    # -- images -------------------------------------------------------------------------------

    def test_a_loaded_image_is_there_under_its_pinned_name_only(self, rig: Rig) -> None:
        made = rig.image()
        assert not rig.has(made.described)
        rig.put(*made.layers)
        before = rig.references()
        rig.engine.load(made.described, made.config)
        assert rig.has(made.described)
        assert rig.references() - before == {made.described.reference}

    def test_loading_twice_is_loading_once(self, rig: Rig) -> None:
        made = rig.loaded()
        rig.engine.load(made.described, made.config, doubt=True)
        assert rig.has(made.described)

    def test_layers_that_the_engine_has_need_not_be_in_the_store(self, rig: Rig) -> None:
        first = rig.loaded("uji/app:1")
        rig.host.run(("rm", "-rf", str(rig.store.blobs)))
        second = rig.image("uji/app:2")
        rig.put(second.layers[1])
        rig.engine.load(second.described, second.config)
        assert rig.has(first.described)
        assert rig.has(second.described)
        assert "app:2" in rig.docker("run", "--rm", second.described.reference, "cat", "/etc/which")

    def test_a_missing_layer_is_refused_and_leaves_nothing(self, rig: Rig) -> None:
        unknown_base = tar_of({"odd": str(time.time_ns())})
        alone = image("uji/app:1", (unknown_base, rig.image().layers[1]))
        rig.put(alone.layers[1])
        before = rig.references()
        with pytest.raises(EngineError) as refused:
            rig.engine.load(alone.described, alone.config)
        assert "smartcity ship" in refused.value.hint
        assert rig.references() == before
        assert not rig.has(alone.described)

    def test_a_corrupt_layer_never_gets_the_name(self, rig: Rig) -> None:
        good, bad = rig.loaded(), rig.image()
        rig.put(*bad.layers)
        path = str(rig.store.blob(digest.of_bytes(bad.layers[1])))
        other = tar_of({"etc/which": "forged"})
        rig.host.run(script('cat > "$1"', path), stdin=other)
        with pytest.raises(EngineError):
            rig.engine.load(bad.described, bad.config)
        assert bad.described.reference not in rig.references()
        assert rig.has(good.described)

    def test_another_image_under_the_name_is_noticed(self, rig: Rig) -> None:
        one, other = rig.loaded("uji/app:1"), rig.loaded("uji/app:2")
        rig.docker("tag", other.described.reference, one.described.reference)
        assert not rig.has(one.described)

    def test_removing_an_image_twice_is_fine(self, rig: Rig) -> None:
        made = rig.loaded()
        rig.engine.remove_image(made.described.reference)
        rig.engine.remove_image(made.described.reference)
        assert not rig.has(made.described)

    # -- apps ---------------------------------------------------------------------------------

    def test_up_starts_the_app_and_says_where_it_came_from(self, rig: Rig) -> None:
        made = rig.loaded()
        project = rig.project("satu", made, healthcheck=HEALTHY)
        rig.engine.up(project)
        state = self.one(rig, project)
        assert (state.service, state.image) == ("web", made.described.reference)
        assert state.files == project.files
        assert state.running
        until(lambda: self.one(rig, project).health == "healthy", "healthy")

    def test_up_makes_containers_anew(self, rig: Rig) -> None:
        project = rig.project("satu", rig.loaded(), stop_grace_period="0s")
        rig.engine.up(project)
        before = self.one(rig, project).id
        rig.engine.up(project)
        assert self.one(rig, project).id != before

    def test_up_never_fetches_an_image(self, rig: Rig) -> None:
        project = rig.project("satu", rig.image())
        with pytest.raises(EngineError) as refused:
            rig.engine.up(project)
        assert "smartcity-satu" in refused.value.message

    def test_apps_meet_on_the_shared_network(self, rig: Rig) -> None:
        made = rig.loaded()
        for name in ("satu", "dua"):
            rig.engine.up(rig.project(name, made, hostname=name))
        [network] = yaml.safe_load(rig.docker("network", "inspect", NETWORK))
        assert len(network["Containers"]) == 2

    def test_a_hook_runs_once_and_leaves_no_container(self, rig: Rig) -> None:
        project = rig.project("satu", rig.loaded())
        rig.engine.run_hook(
            project, Hook(service="web", command=("sh", "-c", "echo x >> /data/done"))
        )
        rig.engine.up(project)
        container = self.one(rig, project).id
        assert rig.docker("exec", container, "cat", "/data/done") == "x\n"
        assert len(rig.engine.states([project.name])) == 1

    def test_a_hook_may_write_and_read_streams_of_bytes(self, rig: Rig) -> None:
        project = rig.project("satu", rig.loaded())
        sent = bytes(range(256)) * 4000
        rig.host.run(script("cat > /root/stream"), stdin=sent)
        keep = Hook(service="web", command=("sh", "-c", "cat > /data/stream"))
        rig.engine.feed_hook(project, keep, "/root/stream")
        give = Hook(service="web", command=("cat", "/data/stream"))
        assert rig.host.run(rig.engine.hook_argv(project, give)).stdout == sent
        refuse = Hook(service="web", command=("sh", "-c", "echo 'not mine' >&2; exit 4"))
        with pytest.raises(EngineError) as refused:
            rig.engine.feed_hook(project, refuse, "/root/stream")
        assert "not mine" in refused.value.message
        assert not rig.host.run(rig.engine.hook_argv(project, refuse), check=False).ok
        assert rig.engine.states([project.name]) == ()

    def test_a_failed_hook_says_its_last_words(self, rig: Rig) -> None:
        project = rig.project("satu", rig.loaded())
        with pytest.raises(EngineError) as refused:
            rig.engine.run_hook(
                project, Hook(service="web", command=("sh", "-c", "echo 'no table x' >&2; exit 4"))
            )
        assert "no table x" in refused.value.message
        assert rig.engine.states([project.name]) == ()

    def test_a_hook_left_running_by_a_lost_client_is_ended_first(self, rig: Rig) -> None:
        made = rig.loaded()
        project = rig.project("satu", made)
        labels = ("com.docker.compose.project=smartcity-satu", "com.docker.compose.oneoff=True")
        left = rig.docker(
            *("run", "--detach", "--label", labels[0], "--label", labels[1]),
            *(made.described.reference, "sleep", "1000"),
        ).strip()
        assert rig.engine.states([project.name]) == (), "a hook's container is not the app's"
        rig.engine.run_hook(project, Hook(service="web", command=("true",)))
        assert left not in rig.docker("ps", "--all", "--quiet", "--no-trunc")

    def test_a_crashing_container_shows_in_its_restart_count(self, rig: Rig) -> None:
        project = rig.project("satu", rig.loaded(), command=["sh", "-c", "exit 3"],
                              restart="always")  # fmt: skip
        rig.engine.up(project)
        until(lambda: self.one(rig, project).restart_count >= 2, "restarts are counted")

    def test_a_container_that_reaches_its_memory_limit_says_so(self, rig: Rig) -> None:
        limits = {"resources": {"limits": {"memory": "32M"}}}
        eats = ["busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=200M"]
        project = rig.project("satu", rig.loaded(), command=eats, deploy=limits, restart="no")
        rig.engine.up(project)
        until(lambda: self.one(rig, project).status == "exited", "ended")
        # Engine 20.10 notes the end first, and a moment later why.
        until(lambda: self.one(rig, project).out_of_memory, "out of memory")
        assert self.one(rig, project).exit_code == 137

    def test_an_unhealthy_container_says_what_its_check_said(self, rig: Rig) -> None:
        check = {"test": ["CMD-SHELL", "echo tidak sehat; exit 1"], "interval": "1s", "retries": 1}
        project = rig.project("satu", rig.loaded(), healthcheck=check)
        rig.engine.up(project)
        until(lambda: self.one(rig, project).health == "unhealthy", "unhealthy")
        assert "tidak sehat" in self.one(rig, project).health_output

    def test_the_last_lines_of_both_streams_are_the_log(self, rig: Rig) -> None:
        command = "for i in 1 2 3; do echo out$$i; echo err$$i >&2; done; exec sleep 1000"
        project = rig.project("satu", rig.loaded(), command=["sh", "-c", command])
        rig.engine.up(project)
        container = self.one(rig, project).id
        until(lambda: "err3" in rig.engine.logs(container, 20), "the log")
        assert set(rig.engine.logs(container, 20).split()) == {
            *("out1", "out2", "out3", "err1", "err2", "err3"),
        }
        assert len(rig.engine.logs(container, 2).splitlines()) == 2

    def test_stop_keeps_containers_and_down_keeps_data(self, rig: Rig) -> None:
        project = rig.project("satu", rig.loaded(), stop_grace_period="0s")
        rig.engine.up(project)
        container = self.one(rig, project).id
        rig.docker("exec", container, "touch", "/data/kept")
        rig.engine.stop(project)
        rig.engine.stop(project)
        assert self.one(rig, project).status == "exited"
        rig.engine.down(project)
        rig.engine.down(project)
        assert rig.engine.states([project.name]) == ()
        rig.engine.up(project)
        assert "kept" in rig.docker("exec", self.one(rig, project).id, "ls", "/data")

    def test_purge_removes_data_of_its_own_projects_only(self, rig: Rig) -> None:
        made = rig.loaded()
        for name in ("satu", "dua"):
            rig.engine.up(rig.project(name, made, stop_grace_period="0s"))
        rig.engine.purge(["smartcity-satu"])
        rig.engine.purge(["smartcity-satu"])
        assert rig.docker("volume", "ls", "--quiet").split() == ["smartcity-dua_data"]
        assert [s.project for s in rig.engine.states(["smartcity-satu", "smartcity-dua"])] == [
            "smartcity-dua"
        ]

    def test_what_a_killed_up_left_is_not_in_the_way(self, rig: Rig) -> None:
        rig.engine.up(rig.project("satu", rig.loaded()))
        changed = rig.project("satu", rig.loaded(), environment=["BARU=1"])
        old = rig.engine.states([changed.name])[0]
        # Compose's name for the new container, as long as the old one has not gone.
        rest = f"{old.id[:12]}_{changed.name}-web-1"
        labels = rig.docker("inspect", "-f", "{{json .Config.Labels}}", old.id)
        given = [f"--label={key}={value}" for key, value in json.loads(labels).items()]
        rig.docker("create", "--name", rest, *given, old.image)
        rig.engine.up(changed)
        [now] = rig.engine.states([changed.name])
        assert now.running
        assert rig.docker("ps", "-a", "--format", "{{.Names}}").split() == [f"{changed.name}-web-1"]

    def test_it_answers_until_it_is_stopped(self, rig: Rig) -> None:
        assert rig.engine.answers()
        rig.server.stop_engine(kill=True)
        assert not rig.engine.answers()
        with pytest.raises(EngineError, match="Docker daemon"):
            rig.engine.whole([rig.image().described])  # rather than: it has none
        rig.server.start_engine()
        assert rig.engine.answers()

    def test_a_network_in_use_is_left_alone(self, rig: Rig) -> None:
        rig.engine.up(rig.project("satu", rig.loaded()))
        rig.engine.remove_networks([NETWORK])
        assert NETWORK in rig.docker("network", "ls", "--format", "{{.Name}}")

    def test_no_projects_have_no_containers(self, rig: Rig) -> None:
        assert rig.engine.states([]) == ()
        assert rig.engine.states(["smartcity-none"]) == ()
