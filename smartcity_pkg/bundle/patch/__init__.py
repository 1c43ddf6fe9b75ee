"""Patches: one layer's bytes said by another layer's, small, and applied with a shell and zstd."""
