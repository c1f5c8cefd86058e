"""A recorded decision, made again from its record alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remit.errors import BadInput
from remit.gate.decide import decide
from remit.gate.policy import Rules
from remit.gate.record import read_action, read_facts, read_standing
from remit.manifest.load import load_manifest
from remit.vocabulary import Decision

__all__ = ["replay"]


def replay(record: Mapping[str, Any], manifest_text: str, policies: Mapping[str, str]) -> Decision:
    """Decide again what ``record`` (action, facts, standing) tells, by the texts that were in use then.

    ``policies`` is `Rules.texts`. The decision equals the recorded one byte for byte, or something changed.

    Raises:
        BadInput: ``record`` is not of its form, or has facts that are sealed.
        BadManifest, BadPolicy: the texts are not those of a manifest and a rule set.
    """
    for part in ("action", "facts", "standing"):
        if part not in record:
            raise BadInput(f"not a record of a decision: {part} is missing")
    action = read_action(record["action"])
    manifest = load_manifest(f"{action.agent:.64}.yaml", manifest_text)
    facts = read_facts(record["facts"])
    sealed = [name for name, fact in facts.items() if fact.commitment and fact.value is None]
    if sealed:
        raise BadInput(f"facts {', '.join(sealed):.200} are sealed: put back what they say, then judge again")
    return decide(Rules.reload(policies), manifest, action, facts, read_standing(record["standing"]))
