"""The HTTP doors, over real sockets and a real database."""
