"""The fault matrix: LAKSA is upgraded while everything fails that can, and citizens use it.

Each trial: the old release serves; the new one, which migrates data, is installed over SSH; a fault
strikes; `smartcity install` is run once more; the server is judged by what is on it. Meanwhile one
citizen asks ten times a second whether LAKSA answers and one files three complaints a second.
Prints tables and the goals; nothing is asserted. Needs root on Debian.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/support")]

import plain  # noqa: E402
import report  # noqa: E402
from fault_releases import make_releases  # noqa: E402
from fault_site import FaultSite, copied  # noqa: E402
from fault_trial import Outcome, Trial, run_trial  # noqa: E402
from matrix import GROUPS, trials, untried  # noqa: E402
from workspace import Workspace  # noqa: E402

from smartcity_pkg.lab import images  # noqa: E402
from smartcity_pkg.lab.lab import Lab  # noqa: E402

PREFIX = "faults"
BUILDER = "benchfaults"  # an engine of our own, kept: other benchmarks and tests have theirs
_APPS = ("laksa", "postgres", "gateway")


class Bench:
    """Servers side by side, each with one trial at a time."""

    def __init__(
        self, lab: Lab, folder: Path, chosen: argparse.Namespace, found: report.Results
    ) -> None:
        self._lab, self._folder, self._chosen = lab, folder, chosen
        self._waiting: deque[Trial] = deque()
        self._guard = threading.Lock()
        self._opened = 0
        self._ends_s = time.monotonic() + 60 * chosen.minutes
        self.results = found

    def make(self) -> None:
        """Build the images and pack the four releases."""
        builder = self._lab.server(BUILDER, keep_docker=True)
        docker_host = f"unix://{builder.docker_socket}"
        _say("building images")
        images.build_base_images(docker_host, ROOT / "bundles")
        images.build_app_images(docker_host, ROOT / "bundles", only=_APPS)
        self._space = Workspace(self._folder / "kominfo", docker_host)
        self._space.folder.mkdir()
        self._space.smartcity("key", "new", "--no-password")
        self._made = make_releases(self._space)
        builder.remove()

    def run(self) -> None:
        """Outages first, alone on the machine; then the trials, on all servers."""
        site = self._open(one_disk=True)
        for _run in range(self._chosen.repeat):
            outages, upgrade, going_back = plain.measure(site)
            self.results.outages += outages
            for outage in outages:
                _say(f"{outage.upgrade}, {outage.tool}: {outage.seconds:.1f} s of outage")
        _say(f"an upgrade takes {upgrade.took_s:.1f} s: {', '.join(upgrade.entries)}")
        planned = trials(
            upgrade.entries, going_back.entries, upgrade.took_s, self._chosen.random,
            self._chosen.seed,
        )  # fmt: skip
        wanted = [t for t in planned if t.group in self._chosen.only]
        self._waiting.extend(untried(wanted, self.results.outcomes))
        self.results.planned = len(self._waiting) + len(self.results.outcomes)
        others = [
            threading.Thread(target=self._work, args=(None,))
            for _server in range(self._chosen.servers - 1)
        ]
        for thread in others:
            thread.start()
        self._work(site)
        for thread in others:
            thread.join()

    def _work(self, site: FaultSite | None) -> None:
        """Trials, as long as there are any; a site that came to harm is replaced."""
        # A server that can do what the first cannot: its first trial decides.
        one_disk = site is not None
        while (trial := self._take(one_disk)) is not None:
            fits = trial.strike.on == "any" or one_disk == (trial.strike.on == "one disk")
            if site is not None and not fits:
                site.close()
                site = None
            if not fits:
                one_disk = not one_disk
            outcome = Outcome.of(trial)
            began_s = time.monotonic()
            try:
                site = site or self._open(one_disk=one_disk)
                run_trial(site, trial, outcome)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this trial's outcome
                outcome.ended, outcome.error = "broken", f"{type(error).__name__}: {error}"
            self._keep(outcome, time.monotonic() - began_s)
            if site is not None and not outcome.by_next_run:
                site.close()
                site = None
        if site is not None:
            site.close()

    def _take(self, one_disk: bool) -> Trial | None:
        """The next trial, rather one that this kind of site can do."""
        with self._guard:
            if not self._waiting or time.monotonic() > self._ends_s:
                return None
            other = "own disks" if one_disk else "one disk"
            mine = next((t for t in self._waiting if t.strike.on != other), self._waiting[0])
            self._waiting.remove(mine)
            return mine

    def _open(self, *, one_disk: bool) -> FaultSite:
        with self._guard:
            self._opened += 1
            name = f"pemda-{self._opened}"
        space = copied(self._space, self._folder / name)
        return FaultSite.open(self._lab, name, space, self._made, one_disk=one_disk)

    def _keep(self, outcome: Outcome, took_s: float) -> None:
        with self._guard:
            self.results.outcomes.append(outcome)
            count = len(self.results.outcomes)
            if self._chosen.json:
                self._chosen.json.write_text(json.dumps(self.results.to_json(), indent=1))
        lost = f", LOST {len(outcome.lost)}" if outcome.lost else ""
        _say(
            f"{count}/{self.results.planned} {outcome.fault} at {outcome.moment} ({outcome.kind},"
            f" {outcome.then}): {outcome.ended} {outcome.codes}{lost}, outage"
            f" {outcome.outage_s:.1f} s, {took_s:.0f} s {outcome.error[:300]}"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--random", type=int, default=100, help="kills at random times")
    parser.add_argument("--seed", type=int, default=20261125, help="of these times")
    parser.add_argument("--only", default=",".join(GROUPS), help="groups, commas between")
    parser.add_argument("--servers", type=int, default=2, help="side by side")
    parser.add_argument("--repeat", type=int, default=3, help="how often outages are measured")
    parser.add_argument(
        "--minutes", type=float, default=30, help="begin no trial after these; all take hours"
    )
    parser.add_argument(
        "--json", type=Path, help="write all that was found to this file; go on where it ended"
    )
    parser.add_argument("--show", type=Path, help="try nothing: the tables of such a file")
    chosen = parser.parse_args()
    chosen.only = chosen.only.split(",")
    if set(chosen.only) - set(GROUPS) or min(chosen.servers, chosen.repeat) < 1:
        parser.error(f"groups are {', '.join(GROUPS)}; servers and repeat are at least 1")
    return chosen


def main() -> None:
    chosen = _options()
    if chosen.show:
        print(report.text(report.Results.of_json(json.loads(chosen.show.read_text()))))
        return
    found = report.Results()
    if chosen.json and chosen.json.exists():
        found = report.Results.of_json(json.loads(chosen.json.read_text()))
    with Lab(os.environ.get("SMARTCITY_LAB_PREFIX", PREFIX)) as lab:
        lab.up()
        with tempfile.TemporaryDirectory(dir=lab.home) as folder:
            bench = Bench(lab, Path(folder), chosen, found)
            bench.make()
            bench.run()
    print(report.text(bench.results))


if __name__ == "__main__":
    main()
