"""Each rule of the diagnosis on its own; the order is from roots to what merely fails."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from install_facts import AROUND, FACTS, GB

from smartcity_pkg.hosts.facts import FileSystem
from smartcity_pkg.hosts.surroundings import FoundContainer, Inodes
from smartcity_pkg.install.diagnosis import Evidence, causes
from smartcity_pkg.install.interrupted import Interrupted
from smartcity_pkg.install.journal import Chain
from smartcity_pkg.install.probe import Answer, Route

EVIDENCE = Evidence(FACTS, AROUND, clock_s=1000, projects=frozenset({"smartcity-laksa"}))


def container(**changes: Any) -> FoundContainer:
    made = FoundContainer("laksa-1", "running", "smartcity-laksa", ("x",), frozenset())
    return dataclasses.replace(made, **changes)


def facts(**changes: Any) -> dict[str, Any]:
    return {"facts": dataclasses.replace(FACTS, **changes)}


def around(**changes: Any) -> dict[str, Any]:
    return {"around": dataclasses.replace(AROUND, **changes)}


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "full": (facts(engine_disk=FileSystem(7, 10**8, 100 * GB)), "disk-full", "100 MB of 100 GB"),
    "no inodes": (around(inodes={"store": Inodes(3, 10**6)}), "inodes", "3"),
    "dead engine": (facts(engine=None), "engine-down", "does not answer"),
    "no engine": (facts(engine=None, docker_installed=False), "engine-down", "no Docker"),
    "killed container": (
        around(containers=(container(out_of_memory=True),)),
        *("out-of-memory", "laksa-1"),
    ),
    "killed process": (
        {
            "kernel": "[9.1] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),global_oom,"
            "task_memcg=/docker/abc123,task=postgres,pid=77,uid=0",
            **around(containers=(container(id="abc123"),)),
        },
        *("out-of-memory", "postgres"),
    ),
    "killed engine": (
        {"kernel": "oom-kill:x,global_oom,task_memcg=/system.slice,task=dockerd,pid=7,uid=0"},
        *("out-of-memory", "dockerd"),
    ),
    "secret": ({"open_secrets": ("laksa/db_password",)}, "secret-interrupted", "laksa/db_password"),
    "crashing": (around(containers=(container(restart_count=7),)), "crash-loop", "7"),
    "stopped": (around(containers=(container(status="exited"),)), "stopped", "exited"),
    "unwell": (around(containers=(container(health="unhealthy"),)), "unhealthy", "laksa-1"),
    "clock": ({"clock_s": 10**6}, "clock", "h"),
    "interrupted": (
        {"interrupted": Interrupted("install", "2-abc", "sari@kominfo", "", "load")},
        *("interrupted", "2-abc"),
    ),
    "files": ({"files_intact": False}, "files-changed", "files"),
    "journal": ({"chain": Chain(9, 4, 0, "x")}, "journal-altered", "4"),
    "no answer": (
        {"answers": (Answer(Route("laksa", "/laksa/sehat", 80), 502),)},
        *("no-answer", "502"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_has_its_name_and_a_cure(name: str) -> None:
    changes, wanted, said = CASES[name]
    [cause] = causes(dataclasses.replace(EVIDENCE, **changes))
    assert cause.id == wanted
    assert said in cause.text
    assert cause.hint


def test_nothing_is_wrong_with_a_good_server_nor_with_others_containers() -> None:
    others = container(project="toko", status="exited", restart_count=9)
    found = dataclasses.replace(
        EVIDENCE,
        kernel="oom-kill:constraint=x,task_memcg=/docker/def456,task=java,pid=1,uid=0",
        **around(containers=(others,)),
    )
    assert causes(found) == ()


def test_a_full_disk_stands_before_what_it_makes_fail() -> None:
    found = dataclasses.replace(
        EVIDENCE,
        facts=dataclasses.replace(FACTS, engine=None, engine_disk=FileSystem(7, 0, GB)),
        answers=(Answer(Route("laksa", "/", 80), 0, "refused"),),
    )
    assert [c.id for c in causes(found)] == ["disk-full", "engine-down", "no-answer"]
