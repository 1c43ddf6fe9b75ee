"""The exact command lines: what is promised is that nothing is pulled and nothing is guessed."""

from __future__ import annotations

from smartcity_pkg.catalogue.app import Hook
from smartcity_pkg.engines import commands
from smartcity_pkg.engines.engine import Project
from smartcity_pkg.hosts.facts import IMAGE_FORMAT
from smartcity_pkg.hosts.host import shown

PROJECT = Project(
    name="smartcity-laksa",
    directory="/r/s1/laksa",
    files=("/r/s1/laksa/compose.yaml", "/r/s1/laksa/compose.smartcity.yaml"),
    env_file="/r/s1/laksa/.env",
    networks=("smartcity-gateway",),
)
PREFIX = (
    *("docker", "compose", "--ansi", "never"),
    *("--project-name", "smartcity-laksa", "--project-directory", "/r/s1/laksa"),
    *("--env-file", "/r/s1/laksa/.env"),
    *("-f", "/r/s1/laksa/compose.yaml", "-f", "/r/s1/laksa/compose.smartcity.yaml"),
)


def test_up_makes_containers_anew_and_never_pulls_or_builds() -> None:
    assert commands.up(PROJECT) == (
        *PREFIX,
        *("up", "--detach", "--pull", "never", "--no-build"),
        *("--force-recreate", "--remove-orphans"),
    )


def test_a_hook_runs_alone_in_a_container_that_goes_afterwards() -> None:
    hook = Hook(service="web", command=("python3", "-m", "app", "migrate"))
    assert commands.run(PROJECT, hook) == (
        *PREFIX,
        *("run", "--rm", "--no-deps", "-T", "web", "python3", "-m", "app", "migrate"),
    )


def test_stop_and_down_keep_volumes() -> None:
    assert commands.stop(PROJECT) == (*PREFIX, "stop")
    assert commands.down(PROJECT) == (*PREFIX, "down", "--remove-orphans")


def test_an_app_without_env_file_names_none() -> None:
    bare = Project(name="a", directory="/r", files=("/r/c.yaml",), env_file="")
    assert "--env-file" not in commands.up(bare)


def test_image_commands_name_exactly_one_reference() -> None:
    assert commands.find_image("a:1")[:3] == ("docker", "image", "inspect")
    assert commands.find_image("a:1")[-1] == "a:1"
    assert commands.tag("a:1", "b:2") == ("docker", "tag", "a:1", "b:2")
    assert commands.remove_image("a:1") == ("docker", "image", "rm", "a:1")
    assert commands.remove_network("n") == ("docker", "network", "rm", "n")


def test_scripts_take_values_as_arguments_and_say_their_names() -> None:
    for argv, name, values in (
        (commands.load("/d", "/b", ["aa"]), "load the image", ("/d", "/b", "aa")),
        (
            commands.look_at_images(["a:1", "b:2"]),
            "look at the images",
            (IMAGE_FORMAT, "id.smartcity.tried", "a:1", "b:2"),
        ),
        (commands.read_back("a:1"), "read the image back", ("a:1",)),
        (commands.name_image("s:1", "a:1", "/a"), "name the image", ("s:1", "a:1", "/a")),
        (commands.inspect_containers(["p", "q"]), "look at the containers", ("p", "q")),
        (commands.clear_hooks("p"), "remove containers of an interrupted hook", ("p",)),
        (commands.purge("p"), "remove a project with its data", ("p",)),
        (commands.logs("c", 20), "read the log", ("c", "20", "")),
        (commands.logs("c", 20, "90m"), "read the log", ("c", "20", "90m")),
        (commands.make_ready("p", ["n"]), "make the way clear for the app", ("p", "n")),
    ):
        assert argv[:2] == ("sh", "-euc")
        assert argv[4:] == values
        assert shown(argv) == name
