"""What was measured becomes a proposal with room, and keeps within itself."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from smartcity_pkg.catalogue import compose
from smartcity_pkg.catalogue.catalogue import load_catalogue
from smartcity_pkg.catalogue.proposal import PeakSeen, Seen, fragment, propose
from smartcity_pkg.core.units import MIB

LAKSA = load_catalogue(Path(__file__).parents[3] / "bundles").app("laksa")


def test_a_proposal_is_a_part_of_a_compose_file() -> None:
    rows = propose(
        LAKSA,
        {"web": Seen(50 * MIB, 70 * MIB, 0.004, 0.113)},
        30 * MIB,
        {"sha256:ab": 12.5},
        90 * MIB,
    )
    assert fragment(rows) == {
        "services": {
            "web": {
                "deploy": {
                    "resources": {
                        "reservations": {"memory": "56M", "cpus": "0.12"},
                        "limits": {"memory": "144M"},
                    }
                }
            }
        },
        "x-smartcity": {
            "demand": {"disk_mib": 64},
            "install_peak_mib": 128,
            "image_layers": {"sha256:ab": 12.5},
        },
    }
    declared = {r.at[-1]: r.declared for r in rows if r.at[-2] == "reservations"}
    assert declared == {"memory": "64M", "cpus": "0.05"}


def test_a_service_that_did_not_run_is_left_as_it_is() -> None:
    rows = propose(LAKSA, {}, 0, {}, 0)
    assert [r.at for r in rows] == [("x-smartcity", "demand", "disk_mib"),
                                    ("x-smartcity", "install_peak_mib"),
                                    ("x-smartcity", "image_layers")]  # fmt: skip


@given(*[st.integers(0, 1 << 40)] * 3)
def test_the_install_peak_is_what_came_on_top_of_all_that_rests(
    bare: int, containers: int, above: int
) -> None:
    peak = PeakSeen(bare, containers, bare + containers + above)
    assert peak.above_steady_bytes == above
    (row,) = [r for r in propose(LAKSA, {}, 0, {}, above) if r.at[-1] == "install_peak_mib"]
    assert row.declared == "300"
    assert row.value * MIB >= above


def test_an_installation_that_took_nothing_on_top_took_nothing_rather_than_less() -> None:
    assert PeakSeen(bare_bytes=10, containers_bytes=10, most_bytes=15).above_steady_bytes == 0


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.floats(0, 500), st.floats(0, 500))
def test_what_is_reserved_is_never_less_than_seen_nor_more_than_the_limit(
    rest: int, busy: int, rest_cpus: float, busy_cpus: float
) -> None:
    rows = propose(LAKSA, {"web": Seen(rest, busy, rest_cpus, busy_cpus)}, 0, {}, 0)
    said = {r.at[-2:]: r.value for r in rows}
    reserved = compose.size_bytes(said["reservations", "memory"]) or 0
    limit = compose.size_bytes(said["limits", "memory"]) or 0
    assert rest <= reserved <= limit
    assert busy <= limit
    assert float(said["reservations", "cpus"]) >= max(rest_cpus, busy_cpus) - 0.005
