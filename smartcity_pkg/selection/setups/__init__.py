"""The search of large questions by setups: which platform apps each server has, then which apps."""
