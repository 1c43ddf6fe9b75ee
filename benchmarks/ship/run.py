"""Shipping a real bundle and its four upgrades over shaped links, beside the tools people use.

Every tool starts from the same images on one engine and ends with them loaded and verified in a
server's engine, over a link of its own, one tool at a time. Prints medians, ratios, and for each
goal whether it was reached; nothing is asserted about speed. Needs what `make demo` needs: root on
Debian. See docs/measurements.md for how it is measured. The layers are made on the first run (about
ten minutes) and kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import codecs_of_layers as codecs
import links
import peers
import report
from workload import STEPS, Workload

from smartcity_pkg.lab.lab import Lab
from smartcity_pkg.lab.server import Server

PREFIX = "bship"
_UNSHAPED_MBPS = 1000  # what the profile says of a link without a limit


class Bench:
    """One lab, one sender, and a fresh server for each tool on each link."""

    def __init__(self, lab: Lab, folder: Path, chosen: argparse.Namespace) -> None:
        self.lab, self.folder, self.chosen = lab, folder, chosen
        self.sender = lab.server(
            "benchsend", keep_docker=True, dockerd_options=peers.DOCKERD_OPTIONS
        )
        self.tree = peers.server_tree(lab)
        self.work = Workload(lab, self.sender, folder)
        self.results = report.Results()

    def make(self) -> None:
        for step in self.chosen.steps:
            began = time.monotonic()
            self.work.make(step)
            size = sum(layer.size_bytes for layer in self.work.layers(step))
            self.results.opened_bytes[step] = size
            _say(f"{step}: {size / 1e6:.0f} MB of layers, made in {time.monotonic() - began:.0f} s")

    def chain(self, tool: str, mbps: int, steps: list[str]) -> None:
        """These steps with one tool over one link, on a server that has nothing before."""
        if not any(self._measured(tool, step, mbps) for step in steps):
            return
        server = self.lab.server(
            f"{tool}-{mbps}",
            engine_over=self.tree,
            dockerd_options=peers.DOCKERD_OPTIONS,
        )
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            meter = links.Meter(self.sender, server, Path(folder))
            site = peers.Site(self.lab, self.work, server, meter, Path(folder))
            self.work.aim(server, self.lab.client_key, mbps or _UNSHAPED_MBPS)
            ship = peers.TOOLS[tool](site)
            try:
                self._steps(ship, tool, mbps, steps, server, meter)
            finally:
                ship.close()
                server.remove()

    def _steps(
        self,
        ship: peers.Tool,
        tool: str,
        mbps: int,
        steps: list[str],
        server: Server,
        meter: links.Meter,
    ) -> None:
        waiting = list(steps)
        while any(self._measured(tool, step, mbps) for step in waiting):
            step = waiting.pop(0)
            measured = self._measured(tool, step, mbps)
            # What would take too long is done at full speed, for the sake of the steps after it.
            links.shape(server, mbps if measured else links.UNSHAPED)
            with meter.step() as found:
                ship.ship(step)
            if measured:
                self.results.add(tool, step, mbps, found[0])
                self.keep()
                cost = found[0]
                parts = ", ".join(
                    f"{name} {seconds:.1f} s {cost.phase_bytes[name] / 1e6:.3f} MB"
                    for name, seconds in cost.phases.items()
                )
                _say(f"{mbps:5} Mbit/s {step:6}{tool:10}{cost.wire_bytes / 1e6:9.3f} MB"
                     f"{cost.seconds:8.1f} s ({parts})")  # fmt: skip

    def _measured(self, tool: str, step: str, mbps: int) -> bool:
        """Whether it will be quick enough; where nothing is known yet, yes."""
        size = self.results.wire_bytes(tool, step)
        if mbps == links.UNSHAPED or size is None:
            return True
        if tool == "smartcity" and step != STEPS[0]:
            return True  # what it sent over a faster link says nothing: it may patch on this one
        return size * 8 / (mbps * 1e6) <= float(self.chosen.longest)

    def keep(self) -> None:
        """Write what is known so far, if that was asked for: a run takes long."""
        if self.chosen.json:
            self.chosen.json.write_text(json.dumps(self.results.to_json(), indent=1))

    def throughput(self) -> None:
        """The first ship without a limit, beside `cat | ssh` of as many bytes."""
        self.chain("smartcity", links.UNSHAPED, [STEPS[0]])
        server = self.lab.server("cat", engine_over=self.tree)
        meter = links.Meter(self.sender, server, self.folder)
        site = peers.Site(self.lab, self.work, server, meter, self.folder)
        bundle = self.work.bundles[STEPS[0]]
        with meter.step() as found:
            ssh = " ".join(site.ssh(site.login, "'cat > /var/tmp/bundle'"))
            meter.run("cat", ["bash", "-o", "pipefail", "-c", f"cat {bundle} | {ssh}"])
        self.results.plain.append(found[0])
        server.remove()

    def codecs(self) -> None:
        names = codecs.QUICK + (codecs.SLOW if self.chosen.slow_codecs else ())
        for step in self.chosen.steps[1:]:
            pairs = self.work.changed(step)
            for name in names:
                encoded = codecs.encode(self.lab.home, name, pairs)
                self.results.codecs[step, name] = encoded
                _say(f"{step}: {name} {encoded.size_bytes / 1e6:.3f} MB, {encoded.seconds:.0f} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--links", default="100,10,2", help="Mbit/s, commas between")
    parser.add_argument("--steps", default=",".join(STEPS), help="as many as wanted, in this order")
    parser.add_argument("--tools", default=",".join(peers.TOOLS), help="which, commas between")
    parser.add_argument("--runs", type=int, default=1, help="how often each is measured")
    parser.add_argument(
        "--longest", type=float, default=60,
        help="seconds on the link; what is expected to take longer is computed from its bytes",
    )  # fmt: skip
    parser.add_argument("--slow-codecs", action="store_true", help="zstd -19 too (ten minutes)")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file")
    parser.add_argument("--show", type=Path, help="measure nothing: the tables of such a file")
    chosen = parser.parse_args()
    chosen.links = sorted(map(int, chosen.links.split(",")), reverse=True)
    chosen.tools = chosen.tools.split(",")
    wanted = chosen.steps.split(",")
    chosen.steps = list(STEPS[: len(wanted)])
    if chosen.steps != wanted or set(chosen.tools) - set(peers.TOOLS) or min(chosen.links) < 1:
        parser.error(f"steps begin {','.join(STEPS)}; tools are {','.join(peers.TOOLS)}")
    return chosen


def main() -> None:
    chosen = _options()
    if chosen.show:
        show(report.Results.of_json(json.loads(chosen.show.read_text())), chosen)
    else:
        measure(chosen)


def show(results: report.Results, chosen: argparse.Namespace) -> None:
    print(report.text(results, chosen.links, chosen.steps, chosen.tools))


def measure(chosen: argparse.Namespace) -> None:
    if missing := peers.missing_programs():
        sys.exit(f"not installed: {', '.join(missing)} (Debian: {' '.join(peers.HOST_PACKAGES)})")
    with Lab(PREFIX) as lab:
        lab.up()
        with tempfile.TemporaryDirectory(dir=lab.home) as folder:
            bench = Bench(lab, Path(folder), chosen)
            bench.make()
            for _run in range(chosen.runs):
                for mbps in chosen.links:  # the fastest first: it tells how many bytes there are
                    for tool in chosen.tools:
                        bench.chain(tool, mbps, chosen.steps)
                if "smartcity" in chosen.tools:
                    bench.throughput()
            bench.codecs()
            bench.keep()
    show(bench.results, chosen)


if __name__ == "__main__":
    main()
