"""Putting the layers together: from a profile's name to a release, to a running server."""
