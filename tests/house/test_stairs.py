"""The architecture is a test: arrows go down, names are unique, ``__all__`` is true, a light import stays light."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import remit

ROOT = Path(remit.__file__).parent
GROUND = {"vocabulary", "canonical", "errors", "document", "chart_svg", "uncollected"}

MAY_IMPORT: dict[str, set[str]] = {
    "store": set(),
    "stats": set(),
    "manifest": set(),
    "connectors": set(),
    "ledger": {"store"},
    "gate": {"manifest", "stats"},
    "oversight": {"ledger", "store", "stats"},
    "knowledge": {"connectors", "ledger", "store", "manifest", "stats"},
    "run": {"gate", "oversight", "connectors", "ledger", "store", "manifest"},
    "evidence": {"ledger", "store", "stats"},
    "trial": {"run", "evidence", "connectors", "ledger", "manifest", "stats"},
    "lifecycle": {"trial", "evidence", "ledger", "manifest", "stats"},
    "app": {
        "store",
        "stats",
        "manifest",
        "connectors",
        "ledger",
        "gate",
        "oversight",
        "knowledge",
        "run",
        "evidence",
        "trial",
        "lifecycle",
    },
    "faces": {"app"},
}
WIRING = {"app", "app_autonomy", "app_knowledge"}
"""Files beside the rooms that wire them together: each may import every room, and faces may import them."""
MAY_IMPORT |= dict.fromkeys(WIRING, MAY_IMPORT["app"] | WIRING) | {"faces": WIRING}  # fmt: skip
"""Which rooms a room may import. All may import the ground; `testing` may import anything and only tests import it."""

MIGRATIONS = {
    f"store/migrations/versions/{name}.py"
    for name in ("0001_ledger", "0002_knowledge", "0003_autonomy", "0004_link_scope")
}
ONE_LEAF = {
    "sqlite3": {"store/sqlite_store.py", "knowledge/audit_scratch.py"},
    "psycopg": {"store/postgres_store.py", "testing/postgres.py"},
    "alembic": {"store/migrate.py", "store/migrations/env.py", *MIGRATIONS},
    "sqlalchemy": {
        "store/migrate.py", *MIGRATIONS, "connectors/database_engine.py", "connectors/sql_select.py",
    },
    "cryptography": {"ledger/checkpoint.py"},
    "cedarpy": {"gate/cedar.py"},
    "httpx2": {"connectors/http_exchange.py"},
    "keyring": {"connectors/credentials.py"},
    "ruamel": {"document.py"},
    "rich": {"faces/terminal.py"},
    "uvicorn": {"faces/api.py"},
    "splink": {"knowledge/splink_engine.py"},
    "duckdb": {"knowledge/splink_engine.py"},
    "pyarrow": {"connectors/parquet_rows.py", "knowledge/splink_engine.py"},
    "mcp": {"connectors/mcp_source.py"},
    "dlt": {"connectors/dlt_source.py"},
    "sklearn": {"knowledge/text_space.py"},
}  # fmt: skip
"""Third-party packages (and drivers) and the leaf files that import them."""


def files() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if "_examples" not in path.parts)


def room_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written out whole"
            yield node.module or "", node.lineno


def test_arrows_go_down() -> None:
    wrong = []
    for path in files():
        room = room_of(path)
        if room in {"testing", "__init__"}:
            continue
        allowed = GROUND | MAY_IMPORT.get(room, set()) | {room}
        if room in GROUND:
            allowed = GROUND
        for name, line in imports(path):
            parts = name.split(".")
            if parts[0] == "remit" and len(parts) > 1 and parts[1] not in allowed:
                wrong.append(f"{path.relative_to(ROOT)}:{line} {room} imports {parts[1]}")
    assert not wrong, "\n".join(wrong)


def test_the_ground_has_no_circle_and_every_room_is_in_the_table() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms - set(MAY_IMPORT) <= {"testing", "_examples"}
    order = ["errors", "vocabulary", "canonical", "document"]
    for position, name in enumerate(order):
        later = set(order[position + 1 :])
        used = {module.split(".")[1] for module, _ in imports(ROOT / f"{name}.py") if module.startswith("remit.")}
        assert not used & later, f"{name} imports {used & later}"


def test_file_names_are_unique() -> None:
    stems = Counter(path.stem for path in files() if path.stem != "__init__")
    assert [stem for stem, count in stems.items() if count > 1] == []
    assert not {"utils", "helpers", "common", "base", "misc"} & set(stems)


def test_public_class_names_are_unique() -> None:
    places: dict[str, list[str]] = {}
    for path in files():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def modules() -> list[str]:
    return [
        "remit." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files()
        if path.stem != "__init__" and "migrations" not in path.parts
    ]


@pytest.mark.parametrize("name", modules())
def test_all_is_true(name: str) -> None:
    """``__all__`` names exactly what a module makes public: every public def or class of its own, nothing missing."""
    module = importlib.import_module(name)
    listed = list(module.__all__)
    assert len(listed) == len(set(listed))
    assert [entry for entry in listed if not hasattr(module, entry)] == []
    tree = ast.parse(Path(str(module.__file__)).read_text())
    own = {
        node.name
        for node in tree.body
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and not node.decorator_list
        )  # a command or a route is public by being registered, not by its name
        or (isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
    }
    assert own - set(listed) == set(), "public, but not in __all__"


@pytest.mark.parametrize("name", modules())
def test_public_things_have_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text())
    assert ast.get_docstring(tree), f"{name} says nothing of itself"
    bare = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                bare.append(node.name)
            if isinstance(node, ast.ClassDef):
                bare += [
                    f"{node.name}.{item.name}"
                    for item in node.body
                    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
                    and not item.name.startswith("_")
                    and not ast.get_docstring(item)
                ]
    assert bare == []


def test_third_party_packages_are_imported_by_leaf_files_only() -> None:
    wrong = []
    for path in files():
        relative = path.relative_to(ROOT).as_posix()
        for name, line in imports(path):
            leaves = ONE_LEAF.get(name.split(".")[0])
            if leaves is not None and relative not in leaves and room_of(path) != "testing":
                wrong.append(f"{relative}:{line} imports {name}")
    assert wrong == []


def test_nothing_but_tests_imports_testing() -> None:
    for path in files():
        if room_of(path) != "testing":
            assert not [name for name, _ in imports(path) if name.startswith("remit.testing")], path


def _loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_a_light_import_stays_light() -> None:
    heavy = {
        "sqlalchemy", "alembic", "fastapi", "pydantic", "uvicorn", "httpx2", "cedarpy", "cryptography", "rich",
        "cyclopts", "jsonschema_rs", "ruamel", "sklearn", "numpy", "psycopg", "keyring", "asyncio",
    }  # fmt: skip
    assert _loaded_after("import remit") & heavy == set()
    assert (
        _loaded_after("import remit.app")
        & {"sqlalchemy", "alembic", "fastapi", "pydantic", "uvicorn", "rich", "psycopg"}
        == set()
    )


def test_no_function_grows_past_seventy_lines() -> None:
    long = []
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > 70:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} {lines} lines")
    assert long == []
