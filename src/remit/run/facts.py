"""The facts an action rests on, read when they are needed: from systems that the manifest names, or from the graph."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from remit.connectors.connector import Connector
from remit.errors import RemitError
from remit.manifest.grant import FactNeed, Manifest
from remit.manifest.template import fill_value
from remit.vocabulary import Action, Fact

__all__ = ["GraphFacts", "read_facts"]

GraphFacts = Callable[[Manifest, Action, Sequence[FactNeed]], Awaitable[Mapping[str, Fact]]]
"""Reads facts of the knowledge graph within the agent's scope; the wiring hands it over."""


async def read_facts(
    action: Action, manifest: Manifest, connectors: Mapping[str, Connector], graph: GraphFacts
) -> dict[str, Fact]:
    """Read every fact that ``action`` rests on, side by side. One that cannot be read is missing, and says why."""
    grant = manifest.actions.get(action.name)
    if grant is None:
        return {}
    known = [need for need in grant.facts if need.about]
    asked = asyncio.gather(*(_read(need, action, connectors) for need in grant.facts if not need.about))
    facts = {fact.name: fact for fact in await asked}
    if known:
        facts |= await _from_graph(graph, manifest, action, known)
    return facts


async def _from_graph(
    graph: GraphFacts, manifest: Manifest, action: Action, needs: Sequence[FactNeed]
) -> Mapping[str, Fact]:
    try:
        return await graph(manifest, action, needs)
    except RemitError as error:
        problem = str(error)[:500]
        return {need.name: Fact(need.name, None, "graph", "", None, need.fresh_seconds, problem) for need in needs}


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
