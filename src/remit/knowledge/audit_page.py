"""The audit as one page that stands alone: no script, no other file, light or dark as the reader's system is."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from remit.chart_svg import age_chart, line_chart, share_bar
from remit.knowledge.audit_form import age_words, share_words
from remit.knowledge.audit_rules import RuleResult, TableAudit
from remit.knowledge.fitness import VERDICTS, NeedFitness

__all__ = ["audit_page"]

_STYLE: Final = """
:root{color-scheme:light dark;--bg:#f6f6f3;--surface:#fff;--sunken:#efeeea;--line:#e0dfd9;--ink:#191b1f;--ink-2:#4c5058;
--accent:#3346c4;--ok:#136c41;--ok-soft:#dff1e6;--warn:#8a4d00;--warn-soft:#fbeed7;--bad:#b3261e;--bad-soft:#fbe4e1}
@media (prefers-color-scheme:dark){:root{--bg:#0e1013;--surface:#15181c;--sunken:#1c2025;--line:#282d34;--ink:#e9ebee;
--ink-2:#b2b8c1;--accent:#93a5ff;--ok:#57cc94;--ok-soft:#12301f;--warn:#f0b458;--warn-soft:#38290e;--bad:#ff8a80;
--bad-soft:#3d1917}}
*{box-sizing:border-box}
html{font:14px/1.45 Inter,"SF Pro Text","Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,system-ui,sans-serif;
font-variant-numeric:tabular-nums}
body{margin:0;background:var(--bg);color:var(--ink)}
h1{font-size:22px;font-weight:650;margin:0}h2{font-size:17px;margin:0 0 4px}h3{font-size:15px;margin:20px 0 6px}
p{margin:4px 0}.quiet{color:var(--ink-2);font-size:12.5px}
.skip{position:absolute;left:8px;top:-60px;background:var(--accent);color:var(--surface);padding:8px 12px}
.skip:focus{top:8px}:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:4px}
header{padding:20px 24px 0}main{padding:20px 24px 40px;display:grid;gap:20px;max-width:1200px}
section{background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:16px 18px;min-width:0}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:6px 14px 6px 0;border-top:1px solid var(--line);vertical-align:top}
thead th{border-top:0;color:var(--ink-2);font-size:12px;font-weight:560}td.n,th.n{text-align:right;white-space:nowrap}
code{font:12.5px ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.chip{display:inline-block;padding:1px 8px;border-radius:10px;font-size:12px;font-weight:560;white-space:nowrap}
.supported{background:var(--ok-soft);color:var(--ok)}.risk{background:var(--warn-soft);color:var(--warn)}
.not{background:var(--bad-soft);color:var(--bad)}
summary{cursor:pointer}details ul{margin:6px 0;padding-left:20px}
svg text{fill:var(--ink-2);font-size:11px}svg.line path{fill:none;stroke:var(--accent);stroke-width:1.5}
.last{fill:var(--accent)}rect.rest{fill:var(--sunken)}rect.usable{fill:var(--ok)}rect.wrong{fill:var(--bad)}
rect.missing{fill:var(--warn)}
.figures{display:flex;flex-wrap:wrap;gap:8px 32px;margin:10px 0}.figures b{font-size:26px;font-weight:620;display:block}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;padding:10px 24px 0}a{color:var(--accent)}
"""
_CHIPS: Final = {"supported": ("supported", "●"), "at risk": ("risk", "▲"), "not supported": ("not", "■")}


def audit_page(audits: Sequence[TableAudit], needs: Sequence[NeedFitness] = (), title: str = "Data audit") -> str:
    """Return the page as HTML. Everything that came from a source is escaped, and nothing may be fetched or run."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    links = "".join(f'<a href="#t{place}">{escape(audit.dataset)}</a>' for place, audit in enumerate(audits))
    body = "".join([*_needs(needs), *(part for place, audit in enumerate(audits) for part in _table(place, audit))])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{escape(title)}</title><style>{_STYLE}</style></head>'
        '<body><a class="skip" href="#main">Skip to the findings</a>'
        f'<header><h1>{escape(title)}</h1><p class="quiet">{escape(_headline(audits, needs))}</p></header>'
        f'<nav aria-label="Tables">{links}</nav><main id="main">{body}</main></body></html>\n'
    )


def _headline(audits: Sequence[TableAudit], needs: Sequence[NeedFitness]) -> str:
    rows, sound = sum(audit.rows for audit in audits), sum(audit.sound for audit in audits)
    tables = "1 table" if len(audits) == 1 else f"{len(audits)} tables"
    said = f"{sound:,} of {rows:,} rows in {tables} break no rule ({share_words(sound, rows)})."
    if needs:
        met = sum(need.verdict == "supported" for need in needs)
        said = f"The data supports {met} of {len(needs)} facts that actions rest on. {said}"
    return said


def _needs(needs: Sequence[NeedFitness]) -> Iterator[str]:
    if not needs:
        return
    yield "<section><h2>Does the data carry the use?</h2>"
    yield '<div class="wide" tabindex="0" role="region" aria-label="Facts that actions rest on"><table><thead><tr>'
    yield '<th scope="col">Verdict</th><th scope="col">Agent, action</th><th scope="col">Fact</th>'
    yield '<th scope="col">Why</th><th scope="col">Leans on</th></tr></thead><tbody>'
    for need in sorted(needs, key=lambda one: VERDICTS.index(one.verdict)):
        name, mark = _CHIPS[need.verdict]
        yield f'<tr><td><span class="chip {name}"><span aria-hidden="true">{mark}</span> {need.verdict}</span></td>'
        yield f"<td>{escape(need.agent)}<br><code>{escape(need.action)}</code></td><td>{escape(need.need)}<br>"
        yield f"<code>{escape(need.about)} {escape(need.get)}</code></td><td>{escape(need.reason)}</td>"
        yield f"<td><code>{escape(', '.join(need.columns)) or '-'}</code></td></tr>"
    yield "</tbody></table></div></section>"


def _table(place: int, audit: TableAudit) -> Iterator[str]:
    yield f'<section id="t{place}" aria-labelledby="h{place}"><h2 id="h{place}">{escape(audit.dataset)}</h2>'
    yield f'<p class="quiet">Rows are of type {escape(audit.type)}.</p><div class="figures">'
    yield f"<div><b>{audit.rows:,}</b>rows</div><div><b>{share_words(audit.sound, audit.rows)}</b>break no rule</div>"
    if audit.age_seconds is not None:
        target = f", target {age_words(audit.fresh_seconds)}" if audit.fresh_seconds is not None else ", no target"
        yield f"<div><b>{age_words(audit.age_seconds)}</b>since the last whole load{target}</div>"
    if audit.quarantined:
        yield f"<div><b>{sum(audit.quarantined.values()):,}</b>rows wait in quarantine</div>"
    yield "</div>"
    for note in audit.notes:
        yield f"<p>{escape(note)}</p>"
    yield from _rules("Faults", audit.faults(), "No rule is broken.")
    yield from _columns(audit)
    yield from _times(audit)
    if audit.hints():
        yield from _rules("Worth a look", audit.hints(), "")
    yield "</section>"


def _rules(title: str, rules: Sequence[RuleResult], none: str) -> Iterator[str]:
    yield f"<h3>{title}</h3>"
    if not rules:
        yield f"<p>{none}</p>"
        return
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{title}"><table><thead><tr>'
    yield '<th scope="col">Rule</th><th scope="col">Column</th><th scope="col" class="n">Break it</th>'
    yield '<th scope="col" class="n">Of</th><th scope="col" class="n">Share</th><th scope="col">Where</th>'
    yield "</tr></thead><tbody>"
    for rule in rules:
        yield f"<tr><td>{escape(rule.rule)}</td><td><code>{escape(rule.column)}</code></td>"
        yield f'<td class="n">{rule.failed:,}</td><td class="n">{rule.checked:,}</td>'
        yield f'<td class="n">{share_words(rule.failed, rule.checked)}</td><td>{_examples(rule)}</td></tr>'
    yield "</tbody></table></div>"


def _examples(rule: RuleResult) -> str:
    if not rule.examples:
        return ""
    items = []
    for one in rule.examples:
        place = " ".join(part for part in (one.position, one.key) if part)
        got = f" <code>{escape(one.got)}</code>" if one.got else ""
        items.append(f"<li>{escape(place)}{got} {escape(one.why)}</li>")
    if len(items) == 1 and not rule.examples[0].position:
        return escape(f"{rule.examples[0].got} {rule.examples[0].why}".strip())
    first = rule.examples[0].position or rule.examples[0].got or rule.examples[0].why
    return f"<details><summary>{escape(first)}</summary><ul>{''.join(items)}</ul></details>"


def _columns(audit: TableAudit) -> Iterator[str]:
    yield '<h3>Columns</h3><div class="wide" tabindex="0" role="region" aria-label="Columns"><table><thead><tr>'
    yield '<th scope="col">Column</th><th scope="col">Fact</th><th scope="col">Kind</th><th scope="col">Rows</th>'
    yield '<th scope="col" class="n">Usable</th><th scope="col" class="n">Wrong</th>'
    yield '<th scope="col" class="n">Missing</th></tr></thead><tbody>'
    for one in audit.columns:
        wrong, missing = one.present - one.usable, one.rows - one.present
        title = f"{one.column}: {one.usable} usable, {wrong} wrong, {missing} missing of {one.rows}"
        bar = share_bar((("usable", one.usable), ("wrong", wrong), ("missing", missing)), one.rows, title)
        yield f"<tr><td><code>{escape(one.column)}</code></td><td>{escape(one.fact)}</td><td>{escape(one.kind)}</td>"
        yield f'<td>{bar}</td><td class="n">{share_words(one.usable, one.rows)}</td><td class="n">{wrong:,}</td>'
        yield f'<td class="n">{missing:,}</td></tr>'
    yield "</tbody></table></div>"


def _times(audit: TableAudit) -> Iterator[str]:
    if audit.ages is not None:
        shares = [(age_words(limit), rows) for limit, rows in audit.ages]
        listed = ", ".join(f"{rows:,} within {label}" for label, rows in shares)
        yield f"<h3>How old the rows are</h3>{age_chart(shares, audit.rows, 'Rows by age: ' + listed)}"
        yield f'<p class="quiet">{escape(listed)}</p>'
    if audit.volumes is not None and len(audit.volumes) > 1:
        listed = ", ".join(f"{rows:,}" for rows in audit.volumes)
        yield f"<h3>Rows of the last full loads</h3>{line_chart(audit.volumes, 'Rows per load: ' + listed)}"
        yield f'<p class="quiet">{escape(listed)}</p>'
