"""Pages of earned autonomy that stand alone: a certificate, and the week's flagged cases. No script, no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from remit.chart_svg import share_bar

if TYPE_CHECKING:
    from remit.app_autonomy import Certificate, FlaggedCase, TrackRecord
    from remit.vocabulary import Json

__all__ = ["certificate_page", "weekly_page"]

_STYLE: Final = """
:root{color-scheme:light dark;--bg:#f6f6f3;--surface:#fff;--sunken:#efeeea;--line:#e0dfd9;--ink:#191b1f;--ink-2:#4c5058;
--ok:#136c41;--ok-soft:#dff1e6;--warn:#8a4d00;--warn-soft:#fbeed7;--bad:#b3261e;--bad-soft:#fbe4e1}
@media (prefers-color-scheme:dark){:root{--bg:#0e1013;--surface:#15181c;--sunken:#1c2025;--line:#282d34;--ink:#e9ebee;
--ink-2:#b2b8c1;--ok:#57cc94;--ok-soft:#12301f;--warn:#f0b458;--warn-soft:#38290e;--bad:#ff8a80;--bad-soft:#3d1917}}
*{box-sizing:border-box}
html{font:14px/1.45 Inter,"SF Pro Text","Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,system-ui,sans-serif;
font-variant-numeric:tabular-nums}
body{margin:0;background:var(--bg);color:var(--ink)}h1{font-size:22px;margin:0}h2{font-size:17px;margin:0 0 8px}
p{margin:4px 0}.quiet{color:var(--ink-2);font-size:12.5px}header{padding:20px 24px 0}
main{padding:20px 24px 40px;display:grid;gap:20px;max-width:1100px}
section{background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:16px 18px;min-width:0}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:6px 14px 6px 0;border-top:1px solid var(--line);vertical-align:top}
thead th{border-top:0;color:var(--ink-2);font-size:12px}tbody th{font-weight:560;width:11em}
code{font:12.5px ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.whole,.whole code{white-space:nowrap}
.chip{display:inline-block;padding:1px 8px;border-radius:10px;font-size:12px;font-weight:560;white-space:nowrap;
background:var(--sunken)}.good{background:var(--ok-soft);color:var(--ok)}
.odd{background:var(--warn-soft);color:var(--warn)}.bad{background:var(--bad-soft);color:var(--bad)}
.figures{display:flex;flex-wrap:wrap;gap:8px 32px;margin:10px 0}.figures b{font-size:26px;font-weight:620;display:block}
rect.rest{fill:var(--sunken)}rect.right{fill:var(--ok)}rect.wrong{fill:var(--bad)}rect.missing{fill:var(--warn)}
"""
_CHIPS: Final = {
    "alarm": ("bad", "■"), "wrong": ("bad", "■"), "contradicted": ("odd", "▲"), "near the threshold": ("odd", "▲"),
    "drawn": ("", "●"),
}  # fmt: skip


def certificate_page(certificate: Certificate, track: TrackRecord | None) -> str:
    """Return one certificate as HTML, with how its version stands now where that is known."""
    in_force = track is not None and track.certificate == certificate.digest
    chip = '<span class="chip good">● in force</span>' if in_force else '<span class="chip odd">▲ not in force</span>'
    rows, assumed = [], []
    for line in certificate.lines():
        name, _, words = line.partition(" ")
        if name == "assumes":
            assumed.append(f"<li>{escape(words.strip())}</li>")
        else:
            rows.append(f'<tr><th scope="row">{escape(name)}</th><td>{escape(words.strip())}</td></tr>')
    proof = certificate.body["proof"]
    parts = [f'<section><p>{chip}</p><div class="wide"><table><tbody>{"".join(rows)}</tbody></table></div></section>']
    parts.append(_numbers("What was counted", {name: _plainly(value) for name, value in sorted(proof.items())}))
    if track is not None:
        parts.append(_stands(track))
    parts.append(f"<section><h2>What it assumes</h2><ul>{''.join(assumed)}</ul></section>")
    parts.append(
        "<section><h2>Check it</h2><p>Export the ledger with <code>remit export FOLDER</code>; the one file that goes "
        f"with it counts again: <code>python verify.py FOLDER --certificate {escape(certificate.digest)}</code></p>"
        f"<pre><code>{escape(certificate.note)}</code></pre></section>"
    )
    title = f"{certificate.agent}: {certificate.action} may be {certificate.to}"
    return _page(title, f"Certificate {certificate.digest[:12]}", "".join(parts))


def _plainly(value: Json) -> str:
    """What a proof says in one place: lists and objects as their items, truth as yes and no."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plainly(item)}" for name, item in sorted(value.items()))
    if isinstance(value, list):
        return ", ".join(map(_plainly, value))
    return "yes" if value is True else "no" if value is False else "-" if value is None else str(value)


def _numbers(title: str, values: dict[str, str]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><code>{escape(_number(value))}</code></td></tr>'
        for name, value in values.items()
    )
    return f'<section><h2>{title}</h2><div class="wide"><table><tbody>{rows}</tbody></table></div></section>'


def _number(text: str) -> str:
    """A number as a person reads it, with the exact one that the ledger has."""
    if "0x" not in text:
        return text
    try:
        return f"{float.fromhex(text):.6g} ({text})"
    except (ValueError, OverflowError):
        return text


def _stands(track: TrackRecord) -> str:
    right = track.labelled - track.wrong
    words = f"{right} right, {track.wrong} wrong, {track.missing} without a word, {track.waiting} not counted yet"
    parts = (("right", right), ("wrong", track.wrong), ("missing", track.missing))
    bar = share_bar(parts, max(1, track.cases), words, 420)
    missing = "-" if track.labels_missing is None else f"{track.labels_missing:,}"
    return (
        f'<section><h2>How it stands</h2><div class="figures"><div><b>{escape(track.stage)}</b>stage now</div>'
        f"<div><b>{track.cases:,}</b>cases</div><div><b>{track.lower:.2%} to {track.upper:.2%}</b>error rate, "
        f"{track.sure:.0%} sure</div><div><b>{missing}</b>labels to the next step</div></div>"
        f'{bar}<p class="quiet">{escape(words)}</p></section>'
    )


def weekly_page(flagged: Sequence[FlaggedCase], days: int, company: str) -> str:
    """Return the flagged cases as HTML, those that weigh most first."""
    rows = []
    for one in flagged:
        chips = " ".join(_chip(flag) for flag in one.flags)
        sure = "-" if one.confidence_bp is None else f"{one.confidence_bp / 10_000:.4f}"
        learned = "" if one.threshold_bp is None else f"<br>threshold {one.threshold_bp / 10_000:.4f}"
        rows.append(
            f'<tr><td>{chips}</td><td class="whole">{escape(one.agent)}<br><code>{escape(one.name)}</code></td>'
            f"<td>{escape(one.case) or '-'}<br><code>{escape(one.action[:12])}</code></td><td>{sure}{learned}</td>"
            f"<td>{'<br>'.join(escape(said) for said in one.said) or '-'}</td>"
            f'<td class="whole">{escape(one.at[:19])}Z</td></tr>'
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Why", "Agent", "Case", "Confidence", "Said", "When"))
    body = (
        f'<section><div class="wide" tabindex="0" role="region" aria-label="Flagged cases"><table><thead><tr>{head}'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
        if rows
        else "<section><p>Nothing was flagged.</p></section>"
    )
    return _page(f"{company}: to look at together", f"{len(flagged):,} flagged in the last {days} days", body)


def _chip(flag: str) -> str:
    name, mark = _CHIPS[flag]
    return f'<span class="chip {name}"><span aria-hidden="true">{mark}</span> {escape(flag)}</span>'


def _page(title: str, line: str, body: str) -> str:
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="referrer" content="no-referrer"><title>{escape(title)}</title><style>{_STYLE}</style></head>'
        f'<body><header><h1>{escape(title)}</h1><p class="quiet">{escape(line)}</p></header><main>{body}</main>'
        "</body></html>\n"
    )
