"""The process itself: configuration, logs, migrations, the embedded server, the command."""
