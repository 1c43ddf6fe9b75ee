"""Bundles in OCI registries (distribution-spec 1.1): pushed and pulled whole, with signatures."""
