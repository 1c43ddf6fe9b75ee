"""Texts with some of their values exchanged for others: what a slip of a person's hand makes."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(
        ["web", "basis", "lapor", "/x/", "1.0", "latest", "$ref", "#/", "app.json.j2"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["type", "$ref", "items", "service", "memory"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def spoil(text: str, data: st.DataObject) -> bytes:
    """`text` with one to three of its values, anywhere, exchanged for others."""
    tree: Any = yaml.safe_load(text)
    for _round in range(data.draw(st.integers(1, 3))):
        place, key = tree, data.draw(st.sampled_from(sorted(tree)))
        while isinstance(place[key], dict | list) and place[key] and data.draw(st.integers(0, 4)):
            place = place[key]
            keys = sorted(place) if isinstance(place, dict) else range(len(place))
            key = data.draw(st.sampled_from(keys))
        place[key] = data.draw(VALUES)
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace")
