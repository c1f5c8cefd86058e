"""The pages on the files a person writes, from their JSON Schemas."""

from __future__ import annotations

from typing import Any, Final

from docs.reference import meanings
from docs.reference.settings_table import forms_table, settings_table

from remit.connectors.source_kinds import SourceKind, source_kind, source_kinds
from remit.connectors.systems import connector_kind
from remit.gate.cases_schema import CASES_SCHEMA
from remit.knowledge.source_schema import source_schema
from remit.manifest import company, people
from remit.manifest.manifest_schema import MANIFEST_SCHEMA

__all__ = ["cases_page", "company_page", "manifest_page", "people_page", "sources_page", "systems_page"]

MADE: Final = "<!-- Made by docs/reference/generate.py from the code; do not edit. -->"


def _page(title: str, words: str, schema: Any, known: Any) -> str:
    return f"# {title}\n\n{MADE}\n\n{words}\n\n{settings_table(schema, known)}\n"


def company_page() -> str:
    """Return the page on remit.yaml."""
    words = "The company's own settings. Every key may be left out; the file must be there, and may be empty."
    return _page("remit.yaml", words, company.COMPANY_SCHEMA, meanings.COMPANY)


def people_page() -> str:
    """Return the page on people.yaml."""
    words = "Who may answer, in which roles. Somebody who does not stand here holds no role."
    return _page("people.yaml", words, people.PEOPLE_SCHEMA, meanings.PEOPLE)


def manifest_page() -> str:
    """Return the page on manifests."""
    words = (
        "One file an agent: its remit. `NAME` stands for a name you choose, `[]` for each entry of a list, `$name` in\n"
        "a value for an argument. Unknown keys are refused. `remit check` says what is wrong by line and column."
    )
    return _page("agents/*.yaml", words, MANIFEST_SCHEMA, meanings.MANIFEST)


def cases_page() -> str:
    """Return the page on policy cases."""
    words = "Tests of the policies, run by `remit policy test`. What a case leaves out is as plain as it can be."
    return _page("policies/*.cases.yaml", words, CASES_SCHEMA, meanings.CASES)


def systems_page() -> str:
    """Return the page on systems, one section a kind."""
    parts = [
        f"# systems/*.yaml\n\n{MADE}\n\n"
        "One file a system. `reads` give one fact each, `lists` many records, `does` are effects. `$name` stands for\n"
        "a parameter or argument. Secrets are named, never written: `env:NAME`, `file:PATH`, `keyring:SERVICE/USER`.\n"
        "An installed package can bring further kinds by the entry point group `remit.connectors`."
    ]
    for name, known in (("http", meanings.HTTP), ("database", meanings.DATABASE), ("files", meanings.FILES)):
        kind = connector_kind(name)
        assert kind is not None
        parts.append(f"## kind: {name}\n\n{settings_table(kind.schema, known)}")
    return "\n\n".join(parts) + "\n"


def sources_page() -> str:
    """Return the page on sources: what all have in common, then the keys of each kind."""
    plain = SourceKind({}, {}, lambda _document: (), lambda *_given: None)  # type: ignore[arg-type]
    parts = [
        f"# sources/*.yaml\n\n{MADE}\n\n"
        "One file a source of knowledge. What is not mapped is not loaded, and told as drift. Secrets are named,\n"
        "never written: `env:NAME`, `file:PATH`, `keyring:SERVICE/USER`; `${NAME}` stands in `connect` only.\n"
        "An installed package can bring further kinds by the entry point group `remit.sources`.",
        settings_table(source_schema(plain), meanings.SOURCES),
    ]
    for name in source_kinds():
        kind = source_kind(name)
        assert kind is not None
        of_connect = forms_table("connect", kind.connect_schema)
        of_table = forms_table("tables.NAME", kind.table_schema)
        parts.append(f"## kind: {name}\n\n{of_connect}" + (f"\n{of_table}" if of_table else ""))
    return "\n\n".join(parts) + "\n"
