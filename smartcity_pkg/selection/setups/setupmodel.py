"""The models of one setup: with the servers pooled, and whole.

Switches are paid for here; what is left is to choose apps, and to say where they go.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from smartcity_pkg.selection.model import Column, LinearModel, Row
from smartcity_pkg.selection.setups.setup import Setup
from smartcity_pkg.selection.setups.table import LIMITS, Array, Table


def linked_apps(table: Table) -> Array:
    """(N,): the apps that must share a server with another app, or that one may have to."""
    index, linked = table.index, np.zeros(len(table.names), dtype=bool)
    for i, name in enumerate(table.names):
        candidate = table.question.candidates[name]
        others = [*candidate.requires, *(c for choices in candidate.one_of for c in choices)]
        for other in others:
            if other in index:
                linked[[i, index[other]]] = True
    return linked


def pooled_model(setup: Setup, linked: Array) -> LinearModel:
    """Which apps are chosen: all rules but the servers' limits.

    Only linked apps have columns for their servers, and may be split over them.
    """
    table, model = setup.table, LinearModel()
    somewhere = np.asarray(setup.admits.any(axis=1))
    for i, name in enumerate(table.names):
        chosen: Column = ("chosen", name)
        model.add(chosen, lower=int(table.candidate(i).must))
        if not somewhere[i]:
            model.at_most({chosen: 1}, 0)
        if linked[i]:
            servers = [table.servers[s] for s in np.flatnonzero(setup.admits[i])]
            for server in servers:
                model.add(("at", name, server), whole=False)
            here: dict[Column, int] = {("at", name, server): 1 for server in servers}
            model.rows.append(Row({**here, chosen: -1}, 0, 0))
    for app in np.flatnonzero(linked):
        _together_rows(setup, model, int(app))
    for first, second in table.question.conflicts:
        model.at_most({("chosen", first): 1, ("chosen", second): 1}, 1)
    _shared_rows(setup, model)
    return model


def _together_rows(setup: Setup, model: LinearModel, app: int) -> None:
    """What an app requires of other apps: to be chosen, and on the same server."""
    table = setup.table
    candidate, apps = table.candidate(app), set(table.names)
    groups: list[tuple[str, ...]] = [(o,) for o in candidate.requires if o in apps]
    groups += [choices for choices in candidate.one_of if apps & set(choices)]
    for choices in groups:
        there = [c for c in choices if c in apps]
        if there == list(choices):
            chosen: dict[Column, int] = {("chosen", c): -1 for c in there}
            model.at_most({("chosen", candidate.name): 1, **chosen}, 0)
        for s in np.flatnonzero(setup.admits[app]):
            if not any(setup.has(c, int(s)) for c in choices):
                columns: list[Column] = [("at", c, table.servers[s]) for c in there]
                rest = {c: -1 for c in columns if c in model.bounds}
                model.at_most({("at", candidate.name, table.servers[s]): 1, **rest}, 0)


def _shared_rows(setup: Setup, model: LinearModel) -> None:
    """The limits of the whole pemda, without what the setup's platform apps take."""
    table = setup.table
    instances = setup.on.sum(axis=0)
    for limit, available in table.question.shared.items():
        taken = sum(
            table.question.candidates[p].needs.get(limit, 0) * int(n)
            for p, n in zip(table.platforms, instances, strict=True)
        )
        terms: dict[Column, int] = {}
        for i, name in enumerate(table.names):
            if amount := table.candidate(i).needs.get(limit, 0):
                terms[("chosen", name)] = amount
        model.at_most(terms, available - taken)


def whole_model(setup: Setup, *, split: bool = False) -> LinearModel:
    """Every rule and limit for one setup: whole apps on servers.

    With `split`, apps are chosen as a whole, but may be split over servers; layers are whole.
    """
    table, question = setup.table, setup.table.question
    index, model = table.index, LinearModel()
    add_layers(setup, model, whole=split)
    for i, name in enumerate(table.names):
        model.add(("chosen", name), lower=int(table.candidate(i).must))
        here: dict[Column, int] = {}
        for s, server in enumerate(table.servers):
            model.add(("at", name, server), upper=int(setup.admits[i, s]), whole=not split)
            here[("at", name, server)] = 1
        model.rows.append(Row({**here, ("chosen", name): -1}, lower=0, upper=0))
    for i, name in enumerate(table.names):
        candidate = table.candidate(i)
        groups: list[tuple[str, ...]] = [(o,) for o in candidate.requires if o in index]
        groups += [choices for choices in candidate.one_of if set(choices) & set(index)]
        for s, server in enumerate(table.servers):
            at: Column = ("at", name, server)
            for layer in candidate.requires:
                if ("at", layer, server) in model.bounds and layer not in index:
                    model.at_most({at: 1, ("at", layer, server): -1}, 0)
            for choices in groups:
                if not any(setup.has(c, s) for c in choices):
                    apps: list[Column] = [("at", c, server) for c in choices if c in index]
                    model.at_most({at: 1, **dict.fromkeys(apps, -1)}, 0)
    for first, second in question.conflicts:
        model.at_most({("chosen", first): 1, ("chosen", second): 1}, 1)
    _shared_rows(setup, model)
    _server_rows(setup, model)
    return model


def spots_of(table: Table, values: Mapping[Column, int]) -> dict[str, int]:
    """On which server (by position) a solution of the whole model has each app that it chose."""
    return {
        name: s
        for name in table.names
        for s, server in enumerate(table.servers)
        if values.get(("at", name, server))
    }


def _server_rows(setup: Setup, model: LinearModel) -> None:
    """The servers' limits."""
    table = setup.table
    for s, server in enumerate(table.servers):
        for x in range(len(LIMITS)):
            terms: dict[Column, int] = {
                ("at", name, server): int(table.needs[i, x])
                for i, name in enumerate(table.names)
                if table.needs[i, x] and setup.admits[i, s]
            }
            terms |= {
                ("at", table.platforms[k], server): int(table.takes[k, x])
                for k in np.flatnonzero(table.weak)
                if table.takes[k, x]
            }
            model.at_most(terms, int(setup.room[s, x]))


def add_layers(setup: Setup, model: LinearModel, *, whole: bool) -> None:
    """A column for each layer on each server; what the setup has there brings its own layers."""
    table = setup.table
    brought = setup.layers_of_platforms
    for w, k in enumerate(np.flatnonzero(table.weak)):
        for s, server in enumerate(table.servers):
            column = ("at", table.platforms[k], server)
            model.add(column, lower=int(brought[s, w]), whole=whole)
