"""The worlds and shells of the neighbours: acts are told wherever they are done."""

from tests.cli.conftest import acme, billing, shell, shop
from tests.flows.conftest import slow

__all__ = ["acme", "billing", "shell", "shop", "slow"]
