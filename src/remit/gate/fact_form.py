"""Facts in a form that can be judged and recorded. What is not of that form is missing, and says why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from remit.canonical import INTEGER_MAX, canonical
from remit.errors import BadInput
from remit.manifest.grant import FactNeed
from remit.vocabulary import Fact

__all__ = ["VALUE_BYTES_MAX", "fact_problem", "sound_facts"]

VALUE_BYTES_MAX: Final = 65_536
NOTE_CHARACTERS_MAX: Final = 1000
FLAGS_MAX: Final = 16
_COMMITMENT: Final = re.compile(r"[0-9a-f]{32}").fullmatch


def sound_facts(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """``facts`` sorted by name, each as it came when it can be recorded, else as missing with the problem."""
    return {name: _sound(name, facts[name]) for name in sorted(facts)}


def _sound(name: str, fact: Fact) -> Fact:
    problem = _unsound(name, fact)
    if not problem:
        return fact
    known = fact.source if _short_text(fact.source) else ""
    return Fact(name, None, known, "", None, None, problem)


def _unsound(name: str, fact: Fact) -> str:
    if fact.name != name:
        return "handed in under another name"
    if not (_short_text(fact.source) and _short_text(fact.record) and _short_text(fact.problem)):
        return "its source, record or problem is not a text that can be recorded"
    if (fact.id or fact.trust or fact.flags or fact.commitment) and not _marked(fact):
        return "its id, trust, flags or commitment are not texts that can be recorded"
    moment = fact.observed_at
    if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo is None):
        return "its moment of observation has no time zone"
    target = fact.fresh_seconds
    if target is not None and (type(target) is not int or not 0 <= target <= INTEGER_MAX):
        return "its freshness target is not a number of seconds"
    value = fact.value
    if value is None or type(value) is bool or (type(value) is int and -INTEGER_MAX <= value <= INTEGER_MAX):
        return ""
    if type(value) is str and value.isascii() and len(value) <= NOTE_CHARACTERS_MAX and "\0" not in value:
        return ""
    try:
        return "" if len(canonical(value)) <= VALUE_BYTES_MAX else f"larger than {VALUE_BYTES_MAX} bytes"
    except BadInput:
        return "its value has a form that cannot be recorded"


def _marked(fact: Fact) -> bool:
    flags = fact.flags
    if type(flags) is not tuple or len(flags) > FLAGS_MAX:
        return False
    if fact.commitment and not (type(fact.commitment) is str and _COMMITMENT(fact.commitment) and fact.id):
        return False
    return all(_short_text(text) for text in (fact.id, fact.trust, *flags))


def _short_text(text: object) -> bool:
    if type(text) is not str or len(text) > NOTE_CHARACTERS_MAX or "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def fact_problem(need: FactNeed, fact: Fact | None) -> str:
    """Why ``need`` is not met by ``fact``, whatever its age; empty when it is."""
    if fact is None:
        return "was not read"
    value = fact.value
    if value is None:
        return fact.problem or ("its value is sealed" if fact.commitment else "the source has none")
    if need.type == "text":
        return "" if isinstance(value, str) else "is not a text"
    if need.type == "integer":
        return "" if type(value) is int else "is not a whole number"
    if need.type == "boolean":
        return "" if isinstance(value, bool) else "is not true or false"
    texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return "" if texts else "is not a list of texts"
