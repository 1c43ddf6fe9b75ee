"""A short draw of the fault matrix (benchmarks/faults): upgrades of LAKSA that meet faults."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import fault_strikes as strikes
import pytest
from fault_releases import make_releases
from fault_site import FaultSite
from fault_trial import Moment, Outcome, Trial, run_trial
from workspace import Workspace

from smartcity_pkg.lab.lab import Lab

pytestmark = pytest.mark.lab
_UPGRADE_S = 8.0  # about; a fault that comes too late for it is a good upgrade
# The benchmark looks for what nobody has seen; here the same is drawn each time unless told.
_CHANCE = random.Random(os.environ.get("SMARTCITY_FAULT_SEED", "25"))
DRAW = {
    "client": Trial("draw", strikes.CLIENT, Moment(entry="migrate begin"), then="resume"),
    "power": Trial("draw", strikes.POWER, Moment(entry="commit begin")),
    "engine": Trial("draw", strikes.ENGINE, Moment(seconds=_CHANCE.uniform(1, _UPGRADE_S))),
}


@pytest.fixture(scope="module")
def site(lab: Lab, workspace: Workspace) -> Iterator[FaultSite]:
    made = make_releases(workspace, bad=False)
    site = FaultSite.open(lab, "faults", workspace, made, one_disk=True)
    yield site
    site.close()


@pytest.mark.parametrize("name", DRAW)
def test_the_next_run_makes_good_what_a_fault_left_and_nothing_is_lost(
    site: FaultSite, name: str
) -> None:
    outcome = Outcome.of(DRAW[name])
    run_trial(site, DRAW[name], outcome)
    print(outcome)
    assert outcome.lost == []
    assert outcome.flaws == []
    assert outcome.by_next_run
    assert outcome.acknowledged > 0
