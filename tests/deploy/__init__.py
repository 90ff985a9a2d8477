"""The files for running Prorata somewhere else agree with the code, as far as can be seen without running."""
