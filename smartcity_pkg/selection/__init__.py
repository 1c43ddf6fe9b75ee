"""Which apps a pemda can carry: the problem, the solver and the explanations. No I/O."""

from smartcity_pkg.selection.choose import select

__all__ = ["select"]
