"""Image layers as platform apps: the same loads, and nothing of it in a plan."""

from __future__ import annotations

from dataclasses import replace

from selection_instances import large_question

from smartcity_pkg.selection import limits
from smartcity_pkg.selection.highs import Effort
from smartcity_pkg.selection.setups.layers import as_platforms, is_layer, without_layers
from smartcity_pkg.selection.solve import best
from smartcity_pkg.selection.verify import on_server, violations


def test_apps_take_the_same_disk_with_layers_as_platform_apps() -> None:
    question = replace(large_question(3, apps=40, servers=3), running={})
    solution = best(question, Effort())
    assert solution is not None
    other = as_platforms(question)
    assert not other.layers
    placement = {n: at for n, at in solution.placement.items() if n in question.candidates}
    assert placement == solution.placement
    with_layers = dict(placement)
    for server in question.servers:
        for name in on_server(placement, server):
            for layer in other.candidates[name].requires:
                if is_layer(layer):
                    with_layers[layer] = tuple(sorted({*with_layers.get(layer, ()), server}))
    assert violations(other, with_layers) == ()
    assert without_layers(with_layers) == placement
    for server in question.servers:
        mine = question.load(on_server(placement, server))
        theirs = other.load(on_server(with_layers, server))
        assert mine[limits.DISK] == theirs[limits.DISK]


def test_layers_that_the_same_apps_have_are_one() -> None:
    question = large_question(1, apps=12, servers=2)
    candidates = {
        n: replace(c, layers=(*c.layers, "twin")) if "java" in c.layers else c
        for n, c in question.candidates.items()
    }
    assert any("twin" in c.layers for c in candidates.values())
    doubled = replace(question, candidates=candidates, layers={**question.layers, "twin": 7})
    one, two = as_platforms(question), as_platforms(doubled)
    assert one.candidates.keys() == two.candidates.keys()
    assert (
        two.candidates["layer:java"].needs[limits.DISK]
        == one.candidates["layer:java"].needs[limits.DISK] + 7
    )
