"""Every SQL statement against a real server."""
