"""Which apps a pemda can carry: the problem, the solver and the explanations. No I/O."""
