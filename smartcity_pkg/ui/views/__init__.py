"""The outcome of each command, for people and for programs, from the same values."""
