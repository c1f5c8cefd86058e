"""people.yaml, remit.yaml, and the first company that `remit init` writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.errors import BadCompany, BadInput, StoreUnavailable
from remit.manifest.company import load_company
from remit.manifest.lint import lint
from remit.manifest.load import load_manifests
from remit.manifest.people import load_people
from remit.manifest.scaffold import SCAFFOLD, scaffold

PEOPLE = """\
people:
  - {name: ana, roles: [owner, supervisor], departments: [logistics]}
  - {name: fin, roles: [finance], departments: ["*"]}
"""


@pytest.mark.parametrize(
    ("person", "role", "department", "holds"),
    [
        ("ana", "owner", "logistics", True), ("ana", "owner", "sales", False), ("ana", "finance", "logistics", False),
        ("fin", "finance", "logistics", True), ("fin", "finance", "", True), ("fin", "owner", "logistics", False),
        ("nobody", "owner", "logistics", False), ("", "", "", False), ("ana", "owner", "*", False),
    ],
)  # fmt: skip
def test_who_holds_which_role_where(person: str, role: str, department: str, holds: bool) -> None:
    assert load_people("people.yaml", PEOPLE).holds(person, role, department) is holds


def test_all_who_hold_a_role_are_named() -> None:
    people = load_people("people.yaml", PEOPLE.replace("[finance]", "[finance, owner]"))
    assert people.holding("owner", "logistics") == ("ana", "fin")
    assert people.holding("owner", "sales") == ("fin",)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (PEOPLE + "  - {name: ana, roles: [], departments: []}\n", 4, "ana stands twice"),
        (PEOPLE.replace("roles: [finance]", "rolls: [finance]"), 3, "unknown key 'rolls'"),
        (PEOPLE.replace("name: fin", "name: a b"), 3, "a b"),
        ("people: 5", 1, "people"),
        ("", 1, "empty file"),
    ],
)
def test_what_is_wrong_with_people_and_where(text: str, line: int, words: str) -> None:
    with pytest.raises(BadCompany) as caught:
        load_people("people.yaml", text)
    assert any(one.line == line and words in one.what for one in caught.value.findings), caught.value.findings


def company(tmp_path: Path, text: str) -> Path:
    (tmp_path / "remit.yaml").write_text(text)
    return tmp_path


def test_every_key_has_a_default_but_the_file_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run `remit init`"):
        load_company(tmp_path)
    found = load_company(company(tmp_path, "# nothing\ncompany: Sample\n"))
    assert (found.name, found.clock, found.witness) == ("Sample", "wall", None)
    assert found.store == f"sqlite:{tmp_path.resolve()}/.remit/store.db"
    assert load_company(company(tmp_path, "")).name == tmp_path.name
    paths = [found.agents, found.policies, found.systems, found.people, found.state]
    assert all(path.is_absolute() and path.parent == found.folder for path in paths)


def test_paths_are_resolved_and_the_environment_is_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of/somebody")
    root = company(tmp_path, "store: postgresql://u:${PASSWORD}@h/d\nclock: story\nwitness: ~/seen\n")
    found = load_company(root, {"PASSWORD": "hunter2"})
    assert found.store == "postgresql://u:hunter2@h/d"
    assert "hunter2" not in repr(found)
    assert (found.clock, found.witness) == ("story", "/home/of/somebody/seen")
    assert load_company(company(tmp_path, "store: sqlite:data/x.db")).store == f"sqlite:{tmp_path.resolve()}/data/x.db"
    assert load_company(company(tmp_path, "witness: https://w.example/x")).witness == "https://w.example/x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("store: mysql://x", "mysql"),
        ("clock: sundial", "sundial"),
        ("witness: .remit/witness", "inside the company"),
        ("witness: http://w.example", "https"),
        ("store: postgresql://u:${NOT_SET}@h/d", "NOT_SET is not set"),
        ("stor: x", "did you mean 'store'"),
        ("[", "not YAML"),
    ],
)
def test_what_is_wrong_with_remit_yaml(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadCompany, match=words):
        load_company(company(tmp_path, text), {})


def test_the_scaffold_checks_without_error_or_warning(tmp_path: Path) -> None:
    written = scaffold(tmp_path / "new" / "company")
    found = load_company(tmp_path / "new" / "company")
    assert {path.relative_to(found.folder).as_posix() for path in written} == set(SCAFFOLD)
    manifests = load_manifests(found.agents, load_people(found.people))
    assert [manifest.agent for manifest in manifests] == ["refund-desk"]
    assert lint(manifests[0]) == ()


@pytest.mark.parametrize("name", sorted(SCAFFOLD))
def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(BadInput, match="nothing was written"):
        scaffold(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "company"
    root.mkdir()
    (root / "remit.yaml").symlink_to(outside)
    with pytest.raises(BadInput):
        scaffold(root)
    assert not outside.exists()


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        scaffold(tmp_path / "file")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("peolnamrs:[]{}\"' \n-,*&!|0"), max_size=80))
def test_any_text_as_people_is_people_or_findings(text: str) -> None:
    try:
        load_people("people.yaml", "people:" + text)
    except BadCompany as error:
        assert error.findings
