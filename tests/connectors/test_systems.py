"""Descriptions: everything wrong is told with its place, nothing secret is repeated, other people's kinds fit in."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from remit.connectors import systems
from remit.connectors.connector import Connector
from remit.connectors.system_file import ConnectorKind
from remit.connectors.systems import kinds, load_system, load_systems, open_connector
from remit.errors import BadSystem
from remit.testing.stand_ins import StandInConnector

HTTP = """system: crm
kind: http
url: ${CRM_URL}
"""
DATABASE = """system: erp
kind: database
url: ${ERP_URL}
"""
FILES = """system: drop
kind: files
folder: ${DROP}
pattern: "*.TXT"
layout: {columns: {a: [1, 5]}}
"""


def findings(text: str) -> list[str]:
    with pytest.raises(BadSystem) as caught:
        load_system("s.yaml", text)
    return [str(finding) for finding in caught.value.findings]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "s.yaml:1:1", "empty"),
        ("a: [", "s.yaml", "not YAML"),
        ("kind: http\nurl: x\n", "s.yaml:1:1", '"system" is a required'),
        ("system: crm\nkind: htpp\n", "s.yaml:2:1", "did you mean 'http'?"),
        ("system: crm\nkind: nothing-like-it\n", "s.yaml:2:1", "known: database, files, http"),
        ("system: 'a b'\nkind: http\nurl: x\n", "s.yaml:1:1", "does not match"),
        (HTTP + "pase: {tries: 3}\n", "s.yaml:4:1", "did you mean 'pace'?"),
        (HTTP + "pace: {tries: 0}\n", "s.yaml:4:8", "pace.tries"),
        (HTTP + "pace: {timeuot: 5s}\n", "s.yaml:4:8", "did you mean 'timeout'?"),
        (HTTP + "auth: {kind: basic, secret: env:X}\n", "s.yaml:4:1", '"user" is a required'),
        (HTTP + "auth: {kind: oauth2, secret: env:X, token_url: /t}\n", "s.yaml:4:1", '"client_id" is a required'),
        (HTTP + "auth: {kind: magic}\n", "s.yaml:4:8", "auth.kind"),
        (HTTP + "reads:\n  r: {value: a}\n", "s.yaml:5:3", "got none"),
        (HTTP + "reads:\n  r: {get: /a, post: /b}\n", "s.yaml:5:3", "got get and post"),
        (HTTP + "reads:\n  r: {get: //evil.example/a}\n", "s.yaml:5:7", "does not match"),
        (HTTP + "reads:\n  r: {get: 'https://evil.example/a'}\n", "s.yaml:5:7", "does not match"),
        (HTTP + "reads:\n  r: {get: /a, body: {a: 1}}\n", "s.yaml:5:16", "no body"),
        (HTTP + "reads:\n  r: {get: /a, where: {a: 1}}\n", "s.yaml:5:16", "needs items"),
        (HTTP + "reads:\n  r: {get: /a, headers: {Authorization: x}}\n", "s.yaml:5:26", "not set by hand"),
        (HTTP + "reads:\n  r: {get: /a, headers: {'X: y': x}}\n", "s.yaml:5", "headers"),
        (HTTP + "does:\n  d: {post: /a, key_header: K, body: {amount: 1.5}}\n", "s.yaml:5:39", "fraction"),
        (HTTP + "does:\n  d: {get: /a}\n", "s.yaml:5:7", "unknown key 'get'"),
        (HTTP + "does:\n  d: {post: /a, lookup: {items: x}}\n", "s.yaml:5:17", "got none"),
        (
            HTTP + "lists:\n  l: {get: /a, paging: {kind: cursor, parameter: c}}\n",
            "s.yaml:5:16",
            '"next" is a required',
        ),
        (HTTP + "lists:\n  l: {get: /a, paging: {kind: page}}\n", "s.yaml:5:16", '"parameter" is a required'),
        (DATABASE + "reads:\n  r: {select: 'delete from t'}\n", "s.yaml:5:7", "does not begin with select"),
        (DATABASE + "lists:\n  r: {select: 'select 1; select 2'}\n", "s.yaml:5:7", "more than one statement"),
        (DATABASE + "does:\n  d: {execute: 'drop table t'}\n", "s.yaml:5:7", "does not begin with insert"),
        (
            DATABASE + "does:\n  d: {execute: 'insert into t values (1)', lookup: 'select 1 where :key = 1'}\n",
            "s.yaml:5:7",
            "execute must bind :key",
        ),
        (
            DATABASE + "does:\n  d: {execute: 'insert into t values (:key)', lookup: 'select 1'}\n",
            "s.yaml:5:47",
            "lookup must bind :key",
        ),
        (FILES.replace("*.TXT", "../*.TXT"), "s.yaml:4:1", "does not match"),
        (FILES.replace("[1, 5]", "[5, 1]"), "s.yaml:5:20", "the last comes before the first"),
        (FILES.replace("[1, 5]", "[0, 1]"), "s.yaml:5:24", "less than the minimum"),
        (FILES + "reads:\n  r: {where: {b: $b}, value: a}\n", "s.yaml:7:15", "no column 'b'"),
        (FILES + "reads:\n  r: {where: {a: $b}, value: c}\n", "s.yaml:7:23", "no column 'c'"),
        (FILES + "reads:\n  r: {where: {}, value: a}\n", "s.yaml:7:7", "where"),
        (FILES + "does: {}\n", "s.yaml:6:1", "unknown key 'does'"),
        (FILES.replace("{columns:", "{observed: [1, 8], columns:"), "s.yaml:5:10", "there is none"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, place: str, words: str) -> None:
    found = findings(text)
    assert any(line.startswith(place) and words in line for line in found), found


def test_everything_wrong_is_told_at_once() -> None:
    found = findings(HTTP + "pase: 1\npace: {tries: 0}\nreads:\n  r: {gett: /a}\n")
    assert len(found) == 3


@pytest.mark.parametrize(
    "text",
    [
        HTTP + "auth: {kind: bearer, secret: hunter2-literal}\n",
        HTTP + "auth: {kind: bearer, secret: [hunter2-literal]}\n",
        HTTP + "auth: {kind: bearer, secret: {hunter2-literal: 1}}\n",
        HTTP + "auth: {kind: basic, secret: hunter2-literal}\n",
        HTTP + "auth: {kind: nonsense, secret: hunter2-literal}\n",
        HTTP + "auth: {kind: bearer, secret: 'env:hunter2-literal'}\n",
        HTTP.replace("${CRM_URL}", "https://user:hunter2-literal@crm.example"),
        DATABASE.replace("${ERP_URL}", "postgresql://user:hunter2-literal@erp/x"),
        DATABASE + "secret: hunter2-literal\n",
    ],
)
def test_a_secret_in_the_file_is_found_and_not_repeated(text: str) -> None:
    found = findings(text)
    assert any("never written" in line or "password stands" in line for line in found), found
    assert "hunter2" not in "".join(found)


def test_variables_and_secrets_count_only_when_opened() -> None:
    system = load_system("s.yaml", HTTP + "auth: {kind: bearer, secret: env:CRM_KEY}\n")
    with pytest.raises(BadSystem) as caught:
        open_connector(system, {})
    places = [(finding.line, finding.what) for finding in caught.value.findings]
    assert places[0][0] == 3
    assert "CRM_URL is not set" in places[0][1]
    with pytest.raises(BadSystem) as caught:
        open_connector(system, {"CRM_URL": "https://crm.example"})
    assert "env:CRM_KEY is not set" in caught.value.findings[0].what
    assert open_connector(system, {"CRM_URL": "https://crm.example", "CRM_KEY": "k" * 9}).name == "crm"


def test_an_effect_that_nothing_can_settle_is_a_warning() -> None:
    system = load_system("s.yaml", HTTP + "does:\n  send: {post: /send}\n  pay: {post: /pay, key_header: K}\n")
    assert [finding.line for finding in system.warnings] == [5]
    assert system.operations == ("send", "pay")
    assert not system.can_look_up("pay")
    assert not system.can_look_up("unknown")


def test_what_a_description_offers() -> None:
    text = HTTP + "reads:\n  a: {get: /a}\nlists:\n  b: {get: /b}\ndoes:\n  c: {post: /c, lookup: {get: /c/$key}}\n"
    system = load_system("s.yaml", text)
    assert (system.reads, system.lists, system.operations) == (("a",), ("b",), ("c",))
    assert system.can_look_up("c")
    assert system.text == text
    assert load_system("s.yaml", text).digest == system.digest
    assert load_system("s.yaml", text + "# seen\n").digest != system.digest


def test_a_folder_of_systems(tmp_path: Path) -> None:
    assert load_systems(tmp_path / "absent") == {}
    (tmp_path / "a.yaml").write_text(HTTP)
    (tmp_path / "b.yml").write_text(FILES)
    (tmp_path / "notes.txt").write_text("not one")
    assert sorted(load_systems(tmp_path)) == ["crm", "drop"]
    (tmp_path / "c.yaml").write_text(HTTP)
    (tmp_path / "d.yaml").write_text("kind: http\n")
    with pytest.raises(BadSystem) as caught:
        load_systems(tmp_path)
    assert [Path(finding.file).name for finding in caught.value.findings] == ["c.yaml", "d.yaml"]
    assert "a.yaml" in caught.value.findings[0].what


def _points(**values: str) -> Any:
    points = EntryPoints(EntryPoint(name, value, "remit.connectors") for name, value in values.items())
    return points.select


THEIRS = ConnectorKind(
    {"type": "object", "required": ["system", "kind", "place"], "additionalProperties": False,
     "properties": {"system": {}, "kind": {}, "place": {"type": "string"}}},
    lambda document: (),
    lambda system, environment, timing: StandInConnector(system.name, facts={"place": system.value["place"]}),
)  # fmt: skip
NO_KIND = object()


def test_other_peoples_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    name = __name__
    sys.modules.setdefault(name, sys.modules[__name__])
    monkeypatch.setattr(
        systems, "entry_points", _points(tape=f"{name}:THEIRS", http=f"{name}:THEIRS", odd=f"{name}:NO_KIND")
    )
    assert kinds() == ("database", "files", "http", "odd", "tape")
    connector = open_connector(load_system("t.yaml", "system: vault\nkind: tape\nplace: basement\n"))
    assert isinstance(connector, Connector)
    assert connector.name == "vault"
    with pytest.raises(BadSystem, match="unknown key 'plase'"):
        load_system("t.yaml", "system: vault\nkind: tape\nplase: basement\n")
    with pytest.raises(BadSystem, match="unknown kind 'odd'"):
        load_system("t.yaml", "system: vault\nkind: odd\n")
    assert load_system("s.yaml", HTTP).kind == "http"  # ours is not replaced
    with pytest.raises(BadSystem):
        load_system("s.yaml", HTTP + "place: x\n")


@pytest.mark.parametrize("text", [HTTP, DATABASE, FILES])
def test_loading_a_description_stays_light(text: str) -> None:
    """The libraries that speak to systems load with the first call that needs them."""
    program = (
        "import sys\nfrom remit.connectors.systems import load_system\n"
        f"load_system('s.yaml', {text!r})\n"
        "print(sorted({'httpx2', 'sqlalchemy', 'keyring', 'psycopg'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
