"""The `prorata` command: one file per group of commands, and everything heavy imported only when it runs."""
