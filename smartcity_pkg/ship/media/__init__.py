"""A bundle on a removable disk: its one tar in parts, an index of them, and parity for bad ones."""
