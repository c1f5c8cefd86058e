"""GRANTS: what each agent has been charged with.

In: the files a person writes. Out: frozen values (`grant.Manifest`, `people.People`, `company.Company`) or
every finding with line and column. Called by the gate, the runner, the life cycle and the faces.
"""

from __future__ import annotations

__all__: list[str] = []
