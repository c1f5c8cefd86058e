"""The verbs of the `remit` command, listed once: help, dispatch and the reference are made from this list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["VERBS", "Verb", "help_text"]

Purpose = Literal["set up", "know", "run", "watch", "decide", "stop", "prove"]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb. ``where`` is ``module:attribute``, imported only when the verb is used."""

    name: str
    purpose: Purpose
    summary: str
    where: str


VERBS: Final = (
    Verb("init", "set up", "Write a first company that passes `remit check`", "cli_setup:init"),
    Verb("check", "set up", "Check everything a person wrote, by file, line and column", "cli_setup:check"),
    Verb("agents", "set up", "List the agents, who answers for them, and what they may do", "cli_setup:agents"),
    Verb("policy", "set up", "Test the policies against the cases beside them: `policy test`", "cli_setup:policy"),
    Verb("sources", "know", "List the tables of all sources, how old and how whole they are", "cli_load:sources"),
    Verb("audit", "know", "Audit sources against their contracts, and what agents need of them", "cli_audit:audit"),
    Verb("load", "know", "Load sources: what changed becomes facts, what is broken is held back", "cli_load:load"),
    Verb("quarantine", "know", "List the rows that were held back; show, release or drop one", "cli_audit:quarantine"),
    Verb("resolve", "know", "Find which records are one; what is doubtful is asked", "cli_resolve:resolve"),
    Verb("graph", "know", "Show what is known of an entity and its neighbours, and from where", "cli_graph:graph"),
    Verb("search", "know", "Find facts by their words", "cli_graph:search"),
    Verb("context", "know", "Hand an agent what it may see of an entity, and keep a receipt", "cli_graph:context"),
    Verb("replay", "know", "Have again what an agent was shown, byte for byte", "cli_graph:replay"),
    Verb("lineage", "know", "Tell where a fact comes from and what rests on it", "cli_graph:lineage"),
    Verb("run", "run", "Take proposals along the governed path", "cli_run:run"),
    Verb("worker", "run", "Carry on what people approved, pass deadlines, look after what was left", "cli_run:worker"),
    Verb("serve", "run", "Answer the JSON API on this machine", "cli_serve:serve"),
    Verb("demo", "run", "Play a story: `demo freight`, `demo billing`, `demo inquiries`", "cli_demo:demo"),
    Verb("status", "watch", "Show what there is at a glance", "cli_watch:status"),
    Verb("log", "watch", "List the newest events of the ledger", "cli_watch:log"),
    Verb("explain", "watch", "Tell the whole story of one action", "cli_watch:explain"),
    Verb("spend", "watch", "List what was drawn against each limit", "cli_watch:spend"),
    Verb("cliff", "watch", "Compare what an agent meets now with what it was tried on", "cli_resolve:cliff"),
    Verb("tax", "watch", "Show what people's time on each agent costs, and what to check less",
         "cli_autonomy:tax"),
    Verb("approvals", "decide", "List what waits for a person; show, approve, reject, edit or settle it",
         "cli_approvals:approvals"),
    Verb("review", "decide", "List the cases that wait for your look; show, answer, weekly, quality",
         "cli_review:review"),
    Verb("outcome", "decide", "Record what became of an action's case, or of many from a file",
         "cli_autonomy:outcome"),
    Verb("halt", "stop", "Throw the switch: nothing within a scope begins any more", "cli_halts:halt"),
    Verb("resume", "stop", "Set the switch back", "cli_halts:resume"),
    Verb("halts", "stop", "List the halts and which processes have confirmed them", "cli_halts:halts"),
    Verb("verify", "prove", "Check every event, checkpoint and witness of the ledger", "cli_prove:verify"),
    Verb("certificate", "prove", "Show an action's newest certificate: what is promised, on what evidence",
         "cli_autonomy:certificate"),
    Verb("export", "prove", "Write the ledger to a folder that outsiders can check", "cli_prove:export"),
    Verb("erase", "prove", "Remove what is kept of a person; every proof still holds", "cli_prove:erase"),
    Verb("backup", "prove", "Copy the store and the signing key to a new folder", "cli_prove:backup"),
    Verb("restore", "prove", "Put a backup in place of an empty store", "cli_prove:restore"),
)  # fmt: skip
"""In the order in which help shows them."""

_HEAD: Final = """\
Usage: remit [--company DIR] [--as PERSON] VERB ...

The control plane that takes AI agents from pilot to production.
"""
_TAIL: Final = """\
--company DIR   the company's folder (default: here; environment REMIT_COMPANY)
--as PERSON     who acts (default: the login name; environment REMIT_PERSON)
--version       print the version

`remit VERB --help` tells more. REMIT_DEBUG=1 shows where an internal error comes from.
"""


def help_text() -> str:
    """Return what `remit --help` prints: the verbs grouped by purpose."""
    lines = [_HEAD]
    for purpose in dict.fromkeys(verb.purpose for verb in VERBS):
        lines.append(purpose)
        lines += [f"  {verb.name:<11}  {verb.summary}" for verb in VERBS if verb.purpose == purpose]
        lines.append("")
    return "\n".join([*lines, _TAIL])
