"""The facts an action rests on, read from the systems that the manifest names, at the time they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from remit.connectors.connector import Connector
from remit.errors import RemitError
from remit.manifest.grant import FactNeed, Manifest
from remit.manifest.template import fill_value
from remit.vocabulary import Action, Fact

__all__ = ["read_facts"]


async def read_facts(action: Action, manifest: Manifest, connectors: Mapping[str, Connector]) -> dict[str, Fact]:
    """Read every fact that ``action`` rests on, side by side. One that cannot be read is missing, and says why."""
    grant = manifest.actions.get(action.name)
    if grant is None:
        return {}
    facts = await asyncio.gather(*(_read(need, action, connectors) for need in grant.facts))
    return {fact.name: fact for fact in facts}


async def _read(need: FactNeed, action: Action, connectors: Mapping[str, Connector]) -> Fact:
    source = f"{need.system}.{need.read}"
    connector = connectors.get(need.system)
    if connector is None:
        problem = f"system {need.system} is not described in systems/"
        return Fact(need.name, None, source, "", None, need.fresh_seconds, problem)
    try:
        parameters = {name: fill_value(value, action.arguments) for name, value in need.parameters.items()}
        reading = await connector.read(need.read, parameters)
    except RemitError as error:
        return Fact(need.name, None, source, "", None, need.fresh_seconds, str(error)[:500])
    return Fact(
        need.name, reading.value, source, reading.record, reading.observed_at, need.fresh_seconds, reading.problem
    )
