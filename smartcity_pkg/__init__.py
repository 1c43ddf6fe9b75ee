"""Deployable app-bundle distribution for local governments."""
