"""Where a company's files are: remit.yaml with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from remit.document import Document, expand_environment, read_document
from remit.errors import BadCompany, BadInput, Finding

__all__ = ["COMPANY_SCHEMA", "Company", "load_company"]

COMPANY_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "company": {"type": "string", "minLength": 1, "maxLength": 200},
        "store": {
            "type": "string",
            "pattern": "^(sqlite:.+|postgresql://.+|[$][{][A-Za-z_][A-Za-z0-9_]*[}])$",
            "maxLength": 1000,
        },
        "clock": {"enum": ["wall", "story"]},
        "witness": {"type": "string", "minLength": 1, "maxLength": 1000},
    },
}


@dataclass(frozen=True, slots=True)
class Company:
    """One company's folder and settings, every path absolute.

    ``store`` is ``sqlite:`` with an absolute path, or a PostgreSQL URL, which may hold a password and is not
    printed. ``witness`` is an absolute folder or an https URL; None when none is set.
    """

    name: str
    folder: Path
    store: str = field(repr=False)
    clock: Literal["wall", "story"] = "wall"
    witness: str | None = None

    @property
    def agents(self) -> Path:
        """The folder of manifests."""
        return self.folder / "agents"

    @property
    def policies(self) -> Path:
        """The folder of rules and their cases."""
        return self.folder / "policies"

    @property
    def systems(self) -> Path:
        """The folder of system descriptions."""
        return self.folder / "systems"

    @property
    def sources(self) -> Path:
        """The folder of the descriptions of sources of knowledge."""
        return self.folder / "sources"

    @property
    def people(self) -> Path:
        """The file that says who may answer."""
        return self.folder / "people.yaml"

    @property
    def state(self) -> Path:
        """The folder that remit writes: store, key, token."""
        return self.folder / ".remit"


def load_company(folder: Path | str, environment: Mapping[str, str] | None = None) -> Company:
    """Read remit.yaml in ``folder``; every key has a default, the file itself must be there.

    Raises:
        BadInput: there is no remit.yaml.
        BadCompany: it cannot be taken as written.
    """
    root = Path(folder).expanduser().resolve()
    file = root / "remit.yaml"
    if not file.is_file():
        raise BadInput(f"no company in {root}: remit.yaml is missing; run `remit init` there, or name its folder")
    if not file.read_bytes().strip():
        return Company(root.name, root, f"sqlite:{root / '.remit' / 'store.db'}")
    document, findings = read_document(file, COMPANY_SCHEMA)
    if document is None or findings:
        raise BadCompany(findings)
    return _company(root, document, environment)


def _company(root: Path, document: Document, environment: Mapping[str, str] | None) -> Company:
    value: Mapping[str, Any] = document.value
    texts: dict[str, str] = {}
    found: list[Finding] = []
    for key, default in (("store", "sqlite:.remit/store.db"), ("witness", "")):
        try:
            texts[key] = expand_environment(value.get(key, default), environment)
        except BadInput as error:
            found.append(document.finding((key,), str(error)))
    witness = _witness(root, texts.get("witness", ""))
    if witness is not None and "://" in witness and not witness.startswith("https://"):
        found.append(document.finding(("witness",), "a witness is a folder or an https URL"))
    elif witness is not None and Path(witness).is_relative_to(root):
        what = "a witness inside the company can be changed with it"
        found.append(document.finding(("witness",), what, "name a folder elsewhere"))
    if found:
        raise BadCompany(tuple(found))
    store = texts["store"]
    if store.startswith("sqlite:"):
        store = f"sqlite:{_absolute(root, store.removeprefix('sqlite:').removeprefix('///'))}"
    return Company(value.get("company", root.name), root, store, value.get("clock", "wall"), witness)


def _witness(root: Path, text: str) -> str | None:
    if not text or "://" in text:
        return text or None
    return str(_absolute(root, text))


def _absolute(root: Path, text: str) -> Path:
    return (root / Path(text).expanduser()).resolve()
