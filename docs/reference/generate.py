"""Write the reference from the code, or with ``--check`` say where it differs from the code.

    python docs/reference/generate.py [--check]

Exit codes: 0 written or equal, 1 something differs.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from docs.reference.pages_of_code import api_page, cli_page, errors_page, events_page, python_page  # noqa: E402
from docs.reference.pages_of_files import (  # noqa: E402
    cases_page,
    company_page,
    manifest_page,
    people_page,
    sources_page,
    systems_page,
)  # fmt: skip

__all__ = ["PAGES", "main"]

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "api.md": api_page,
    "cases.md": cases_page,
    "cli.md": cli_page,
    "company.md": company_page,
    "errors.md": errors_page,
    "events.md": events_page,
    "manifest.md": manifest_page,
    "people.md": people_page,
    "python.md": python_page,
    "sources.md": sources_page,
    "systems.md": systems_page,
}
"""Each page of the reference and what makes it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description="Write the reference from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page differs")
    check = parser.parse_args(arguments).check
    different = 0
    for name, make in PAGES.items():
        path, text = HERE / name, make()
        there = path.read_text("utf-8") if path.exists() else ""
        if text == there:
            continue
        different += 1
        if check:
            lines = difflib.unified_diff(
                there.splitlines(), text.splitlines(), f"docs/reference/{name}", "the code", n=0
            )
            print("\n".join(line.rstrip("\n") for line in lines))
        else:
            path.write_text(text, "utf-8")
            print(f"wrote docs/reference/{name}")
    for path in sorted(HERE.glob("*.md")):
        if path.name not in PAGES:
            different += 1
            print(f"docs/reference/{path.name}: nothing makes this page")
    if check and different:
        print("run `make docs` and commit what it writes")
    return 1 if check and different else 0


if __name__ == "__main__":
    sys.exit(main())
