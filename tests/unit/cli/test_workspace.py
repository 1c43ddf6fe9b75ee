"""What names on the command line mean in a person's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartcity_pkg.cli.workspace import Workspace, shipped
from smartcity_pkg.core.errors import InputError, UsageError

A, B = "a" * 12, "b" * 12


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Profiles of Karawang, Cirebon and Kota Cirebon; Bekasi and Anambas come as examples."""
    folder = tmp_path / "pemda"
    folder.mkdir()
    for name in ("32.15-karawang", "32.09-cirebon", "32.74-kota-cirebon"):
        (folder / f"{name}.yaml").touch()
    return Workspace(tmp_path)


def releases(workspace: Workspace, *names: str, region: str = "32.15") -> None:
    """Empty files in place of bundles: only their names count here."""
    workspace.releases(region).mkdir(parents=True, exist_ok=True)
    for name in names:
        (workspace.releases(region) / name).touch()


@pytest.mark.parametrize("name", ["32.15", "karawang", "KaraWang", "32.15-karawang", "15-kara"])
def test_a_profile_is_found_by_code_or_part_of_its_name(workspace: Workspace, name: str) -> None:
    assert workspace.profile(name) == workspace.root / "pemda/32.15-karawang.yaml"


def test_an_own_profile_stands_before_the_example_of_its_region(workspace: Workspace) -> None:
    regions = [p.name[:5] for p in workspace.profiles()]
    assert len(regions) == len(set(regions))
    examples = {p.parent for p in workspace.profiles()[3:]}
    assert examples == {shipped("examples") / "pemda"}


def test_an_example_stands_in_for_a_profile_that_is_not_there(workspace: Workspace) -> None:
    assert workspace.profile("bekasi").parent == shipped("examples") / "pemda"


def test_an_empty_folder_is_a_workspace(tmp_path: Path) -> None:
    empty = Workspace(tmp_path)
    assert empty.profile("32.15").is_file()
    assert empty.catalogue.is_dir() and empty.templates.is_dir()
    assert empty.next_serial("32.15") == 1


def test_own_bundles_and_templates_stand_before_those_that_come_along(tmp_path: Path) -> None:
    (tmp_path / "bundles").mkdir()
    (tmp_path / "templates").mkdir()
    own = Workspace(tmp_path)
    assert own.catalogue == tmp_path / "bundles"
    assert own.templates == tmp_path / "templates"


def test_a_part_of_several_names_is_refused_with_those_names(workspace: Workspace) -> None:
    with pytest.raises(UsageError) as caught:
        workspace.profile("cirebon")
    assert "means several" in caught.value.message
    assert "32.09-cirebon, 32.74-kota-cirebon" in caught.value.hint
    assert "karawang" not in caught.value.hint


def test_a_whole_name_is_meant_even_where_it_is_part_of_another(workspace: Workspace) -> None:
    (workspace.root / "pemda/32.09-cirebon-lama.yaml").touch()
    assert workspace.profile("32.09-cirebon").name == "32.09-cirebon.yaml"


def test_an_unknown_name_is_refused_with_all_names(workspace: Workspace) -> None:
    with pytest.raises(UsageError) as caught:
        workspace.profile("surabaya")
    assert "no profile matches “surabaya”" in caught.value.message
    assert "32.15-karawang" in caught.value.hint


def test_a_path_is_a_profile_wherever_it_is(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.yaml"
    path.touch()
    assert workspace.profile(str(path)) == path


@pytest.mark.parametrize("name", ["nowhere.yaml", "pemda/32.15", "./karawang", "x.yml"])
def test_a_path_without_a_file_is_refused_as_a_path(workspace: Workspace, name: str) -> None:
    with pytest.raises(InputError) as caught:
        workspace.profile(name)
    assert caught.value.problems[0].file == name


def test_the_next_serial_follows_the_highest_of_the_region(workspace: Workspace) -> None:
    releases(workspace, f"2-{A}.tar", f"10-{B}.tar", f"9-{A}")
    releases(workspace, f"40-{A}.tar", region="32.16")
    assert workspace.next_serial("32.15") == 11


@pytest.mark.parametrize(
    "name", [f"7-{A[:-1]}.tar", f"7-{A}.tar.part", f".7-{A}.tar", f"7-{'G' * 12}.tar", "7.tar"]
)
def test_what_is_no_bundle_has_no_serial(workspace: Workspace, name: str) -> None:
    releases(workspace, f"1-{A}.tar", name)
    assert workspace.next_serial("32.15") == 2
    assert workspace.bundle("32.15").name == f"1-{A}.tar"


def test_a_region_means_its_newest_bundle_by_number_not_by_spelling(workspace: Workspace) -> None:
    releases(workspace, f"9-{A}.tar", f"10-{A}.tar", f"2-{B}.tar")
    assert workspace.bundle("karawang").name == f"10-{A}.tar"


def test_a_region_without_a_bundle_says_how_to_make_one(workspace: Workspace) -> None:
    with pytest.raises(UsageError) as caught:
        workspace.bundle("karawang")
    assert "smartcity pack 32.15" in caught.value.hint


@pytest.mark.parametrize("name", ["bundle.tar", "some/folder", "./x"])
def test_a_path_of_a_bundle_that_is_not_there_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(InputError) as caught:
        workspace.bundle(name)
    assert caught.value.message == f"{name}: the file does not exist"


def test_a_path_of_a_bundle_that_is_there_is_taken(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "bundle.tar").touch()
    assert workspace.bundle(str(tmp_path / "bundle.tar")) == tmp_path / "bundle.tar"


def test_what_is_neither_a_bundle_nor_a_pemda_is_called_so(workspace: Workspace) -> None:
    with pytest.raises(UsageError) as caught:
        workspace.bundle("README")
    assert "neither a bundle nor a pemda" in caught.value.message
    assert "32.15-karawang" in caught.value.hint
