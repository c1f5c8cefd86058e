"""A load in the words of OpenLineage (https://openlineage.io/spec/2-0-2), for catalogues that speak it.

Plain JSON; sending it is the caller's. The beginning and the end of a load are two events of one run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID, uuid5

from remit.canonical import from_moment
from remit.knowledge.load_table import LoadReport
from remit.knowledge.source_file import SourceFile, TableSpec
from remit.vocabulary import Json

__all__ = ["run_event"]

_SPEC: Final = "https://openlineage.io/spec"
PRODUCER: Final = "https://pypi.org/project/remit"
_RUNS: Final = UUID("6f0cbf0e-5f0c-5d0a-9d63-2d1f4f2f7a11")
"""The name space of run ids (RFC 9562, version 5): the same load has the same id wherever it is told."""


def run_event(
    report: LoadReport,
    source: SourceFile,
    company: str,
    *,
    began: bool = False,
    columns: Mapping[str, Mapping[str, int]] | None = None,
) -> dict[str, Json]:
    """Return the RunEvent that ends the load ``report`` tells of; with ``began`` the one that begins it.

    ``company`` is the name space of job and output. ``columns`` has figures of columns, such as ``nullCount``, where
    an audit knows them.
    """
    spec = next(table for table in source.tables.values() if table.dataset == report.dataset)
    kind: Literal["START", "COMPLETE", "FAIL"] = "START" if began else "COMPLETE" if report.state == "ok" else "FAIL"
    moment = datetime.fromtimestamp(report.started + (0 if began else int(report.seconds)), UTC)
    run_facets: dict[str, Json] = {}
    if kind == "FAIL":
        error: dict[str, Json] = {"message": report.problem, "programmingLanguage": "Python"}
        run_facets["errorMessage"] = _facet("1-0-1/ErrorMessageRunFacet", error)
    taken: dict[str, Json] = {
        "namespace": f"{source.kind}:{source.name}", "name": spec.name, "facets": {"schema": _schema(spec)}
    }  # fmt: skip
    made: dict[str, Json] = {"namespace": company, "name": spec.dataset, "facets": {"schema": _facts(spec)}}
    if not began:
        metrics: dict[str, Json] = {
            "rowCount": report.counts["read"],
            "columnMetrics": {name: dict(figures) for name, figures in (columns or {}).items()},
        }
        taken["inputFacets"] = {"dataQualityMetrics": _facet("1-0-2/DataQualityMetricsInputDatasetFacet", metrics)}
        output: dict[str, Json] = {"rowCount": report.counts["new"] + report.counts["changed"]}
        made["outputFacets"] = {"outputStatistics": _facet("1-0-2/OutputStatisticsOutputDatasetFacet", output)}
    return {
        "eventType": kind,
        "eventTime": from_moment(moment),
        "run": {"runId": str(uuid5(_RUNS, f"{company}/{report.dataset}/{report.load}")), "facets": run_facets},
        "job": {"namespace": company, "name": f"load {report.dataset}", "facets": {}},
        "inputs": [taken],
        "outputs": [made],
        "producer": PRODUCER,
        "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def _facet(name: str, content: dict[str, Json]) -> dict[str, Json]:
    url = f"{_SPEC}/facets/{name}.json#/$defs/{name.partition('/')[2]}"
    return {"_producer": PRODUCER, "_schemaURL": url, **content}


def _schema(spec: TableSpec) -> dict[str, Json]:
    """The columns that are read, with the kind that the mapping gives them."""
    kinds = {fact.column: fact.kind for fact in spec.facts}
    fields: list[Json] = [{"name": column, "type": kinds.get(column, "text")} for column in spec.columns]
    return _facet("1-1-1/SchemaDatasetFacet", {"fields": fields})


def _facts(spec: TableSpec) -> dict[str, Json]:
    """What they become: facts and links."""
    fields: list[Json] = [
        {"name": fact.name, "type": f"money {fact.currency}" if fact.kind == "money" else fact.kind}
        for fact in spec.facts
    ]
    fields += [{"name": link.name, "type": f"link to {link.to}"} for link in spec.links]
    return _facet("1-1-1/SchemaDatasetFacet", {"fields": fields})
