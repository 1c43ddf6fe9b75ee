"""The words every layer shares: errors, progress, digests, atomic files, translation."""
