"""Pure rules: no await, no I/O, no clock, no environment; standard library and `sync.errors` only."""
