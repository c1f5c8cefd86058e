"""The small company with a shop, on both stores."""

from tests.run.conftest import control, folder, opened, shop

__all__ = ["control", "folder", "opened", "shop"]
