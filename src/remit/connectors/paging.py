"""From one page of a list to the next, losing no record, seeing none twice, never going round in a circle."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin

from remit.canonical import digest_bytes
from remit.connectors.answer import MISSING, walk
from remit.errors import Refused, Unreachable
from remit.vocabulary import Json

__all__ = ["PAGING_SCHEMA", "Page", "PageRepeated", "Pager", "Step"]

PAGES_MAX: Final = 1_000

PAGING_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind"],
    "properties": {
        "kind": {"enum": ["none", "page", "offset", "cursor", "link", "url"]},
        "parameter": {"type": "string", "minLength": 1, "maxLength": 60},
        "start": {"type": "integer", "minimum": 0},
        "size_parameter": {"type": "string", "minLength": 1, "maxLength": 60},
        "size": {"type": "integer", "minimum": 1, "maximum": 100_000},
        "next": {"type": "string", "minLength": 1, "maxLength": 200},
        "total": {"type": "string", "minLength": 1, "maxLength": 200},
        "pages_max": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    },
    "allOf": [
        {
            "if": {"properties": {"kind": {"enum": ["page", "offset", "cursor"]}}, "required": ["kind"]},
            "then": {"required": ["parameter"]},
        },
        {
            "if": {"properties": {"kind": {"enum": ["cursor", "url"]}}, "required": ["kind"]},
            "then": {"required": ["next"]},
        },
    ],
}
"""The key ``paging`` of a list.

``page`` counts pages from ``start`` (1), ``offset`` counts records from ``start`` (0): both end at an empty
page, because a short one may only mean that the system caps its size. ``cursor`` hands on what stands at
``next``, ``url`` follows the address there, ``link`` the ``Link`` header with rel="next" (RFC 8288).
``total`` is where the system says how many records there are; a list that ends with another number has
failed.
"""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list; ``headers`` have lower-case names, ``url`` is where it came from."""

    answer: Json
    items: list[Json]
    headers: Mapping[str, str]
    url: str


@dataclass(frozen=True, slots=True)
class Step:
    """What to ask next: ``parameters`` beside the usual ones, or another whole address."""

    parameters: Mapping[str, str]
    url: str = ""


class PageRepeated(Refused):
    """A page, a cursor or an address came again. Look at how the system pages, or ask for that page once more."""


class Pager:
    """Walks one list once. `first`, then `after` each page until it gives None.

    A page on which `after` raised is not counted: the same step may be asked again.
    """

    def __init__(self, what: str, paging: Mapping[str, Any]):
        self._what = what
        self._paging = paging
        self._kind = paging["kind"]
        self._records = 0
        self._pages = 0
        self._seen: set[str] = set()

    def first(self) -> Step:
        """What to ask first."""
        if self._kind in {"page", "offset"}:
            start = self._paging.get("start", 1 if self._kind == "page" else 0)
            return self._step({self._paging["parameter"]: str(start)})
        return self._step({})

    def _step(self, parameters: dict[str, str]) -> Step:
        if "size_parameter" in self._paging and "size" in self._paging:
            parameters[self._paging["size_parameter"]] = str(self._paging["size"])
        return Step(parameters)

    def after(self, page: Page) -> Step | None:
        """What to ask after ``page``; None when it was the last.

        Raises:
            PageRepeated: a page, a cursor or an address came again.
            Refused: there are more pages than allowed.
            Unreachable: the number of records is not the one the system says.
        """
        before = self._pages, self._records
        self._pages += 1
        self._records += len(page.items)
        try:
            step = self._next(page)
            if step is None:
                self._check_total(page)
            elif self._pages >= self._paging.get("pages_max", PAGES_MAX):
                raise Refused(f"{self._what}: more than {self._pages} pages; raise pages_max if that is right")
        except (Refused, Unreachable):
            self._pages, self._records = before
            raise
        return step

    def _next(self, page: Page) -> Step | None:
        if self._kind in {"page", "offset"}:
            if not page.items:
                return None
            self._new(_mark(self._what, page.items), "page")
            start = self._paging.get("start", 1 if self._kind == "page" else 0)
            at = start + (self._pages if self._kind == "page" else self._records)
            return self._step({self._paging["parameter"]: str(at)})
        if self._kind == "link":
            target: object = _next_link(page.headers.get("link", ""))
        elif self._kind in {"cursor", "url"}:
            target = walk(page.answer, self._paging["next"])
        else:
            target = None
        if target is MISSING or target is None or target in ("", False):
            return None
        if not isinstance(target, str | int) or len(str(target)) > 4_000:
            raise Unreachable(f"{self._what}: what names the next page is no text")
        if self._kind == "cursor":
            self._new(str(target), "cursor")
            return self._step({self._paging["parameter"]: str(target)})
        try:
            url = urljoin(page.url, str(target))
        except ValueError:
            raise Refused(f"{self._what}: what names the next page is no address") from None
        if url in self._seen or url == page.url:
            raise PageRepeated(f"{self._what}: the same address came again after {self._pages} pages")
        self._seen.add(page.url)
        return Step({}, url)

    def _new(self, mark: str, kind: str) -> None:
        if mark in self._seen:
            raise PageRepeated(f"{self._what}: the same {kind} came again after {self._pages} pages")
        self._seen.add(mark)

    def _check_total(self, page: Page) -> None:
        total = walk(page.answer, self._paging["total"]) if "total" in self._paging else self._records
        if total != self._records:
            said = total if isinstance(total, int) else "no number"
            raise Unreachable(f"{self._what}: the system says {said} records and gave {self._records}")


def _mark(what: str, items: list[Json]) -> str:
    try:
        return digest_bytes(json.dumps(items, sort_keys=True).encode())
    except RecursionError:
        raise Unreachable(f"{what}: the answer is nested too deep") from None


_LINK: Final = re.compile(r"<([^<>]*)>([^<]*)")
_REL: Final = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)


def _next_link(header: str) -> str:
    for target, parameters in _LINK.findall(header[:16_384]):
        relation = _REL.search(parameters)
        if relation and "next" in (relation[1] or relation[2] or "").lower().split():
            return str(target)
    return ""
