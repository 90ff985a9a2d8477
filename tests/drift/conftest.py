"""Worlds in which things drift apart."""

from tests.flows.conftest import slow, world

__all__ = ["slow", "world"]
