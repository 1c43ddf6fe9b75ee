"""Bringing a bundle's content into a server's store, only what is missing there, resumable."""
