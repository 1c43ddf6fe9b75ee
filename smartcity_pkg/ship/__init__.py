"""Bring a bundle's missing bytes into a server's store, and nothing else."""
