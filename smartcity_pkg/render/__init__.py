"""A plan in, configuration files in memory out. No I/O beyond reading templates."""
