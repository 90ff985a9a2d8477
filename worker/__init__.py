"""The process: everything that starts, waits and stops."""
