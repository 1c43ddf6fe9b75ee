"""Practice servers in network namespaces, for the demo, tests and training."""
