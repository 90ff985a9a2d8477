"""The mirror: events and reads become rows, and never go backwards."""
