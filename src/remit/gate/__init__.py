"""JUDGES: may this action be done, as things stand?

In: rules, a manifest, an action, its facts, the standing. Out: a `Decision` with every check's verdict; the
same for the same input, for years. Pure: nothing here reads a clock, a file or a store. Called by the
runner and the faces.
"""

from __future__ import annotations

__all__: list[str] = []
