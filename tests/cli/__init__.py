"""The command as its users meet it: a process of its own, its output and its exit code."""
