"""Tests of the pure rules: tables and properties, no server of any kind."""
