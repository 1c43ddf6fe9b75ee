"""The catalogue's own apps, on a real PostgreSQL."""
