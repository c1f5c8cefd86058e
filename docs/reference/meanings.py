"""What each setting means, by the file it stands in and its path there. `settings_table` wants one for every key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["CASES", "COMPANY", "DATABASE", "FILES", "HTTP", "MANIFEST", "PEOPLE"]

Meanings = Mapping[str, str]

COMPANY: Final[Meanings] = {
    "company": "Its name, as shown by `remit status`. Default: the folder's name.",
    "store": "Where ledger and views are: `sqlite:PATH` (relative to the folder) or `postgresql://...`. "
    "`${NAME}` is taken from the environment. Default: `sqlite:.remit/store.db`.",
    "clock": "`wall` (default), or `story`: business time is set by hand with `Control.set_now`.",
    "witness": "A folder outside the company, or an https URL (C2SP tlog-witness), that remembers how large the "
    "ledger was. Without one, an older copy put back whole is not noticed.",
}

PEOPLE: Final[Meanings] = {
    "people": "Everybody who may answer.",
    "people[].name": "The name that `--as` takes and the ledger records.",
    "people[].roles": "Roles held, as manifests and policies name them.",
    "people[].departments": 'Departments for which the roles are held; `"*"` is all of them.',
}

MANIFEST: Final[Meanings] = {
    "agent": "The agent's name.",
    "purpose": "What it is for, in one sentence.",
    "owner": "The person who answers for it; must stand in people.yaml.",
    "deputy": "Who answers when the owner cannot.",
    "department": "Rules, roles and shared limits go by department.",
    "built_by": "People who may not answer about what this agent proposes.",
    "runs": "Model, prompt, code, as names or digests. Any change is a new version of the agent.",
    "runs.NAME": "One part of what runs.",
    "success": "What counts as a good outcome, in words.",
    "escalation": "Who may answer too when nobody has, one after the other. Without it a question waits 7 days.",
    "escalation[].role": "The role that may answer from then on.",
    "escalation[].within": "How long is waited before this role may answer too; after the last one, as long again "
    "until the question expires.",
    "confidence": "The threshold below which a person is asked. A confidence that is missing counts as below.",
    "confidence.at_least": "A share from 0 to 1, kept to the basis point.",
    "confidence.ask": "The role asked.",
    "actions": "What it may do. Whatever is not named here is denied.",
    "actions.NAME": "One action, such as `refund.create`.",
    "actions.NAME.system": "The system it is done in: a file of systems/.",
    "actions.NAME.operation": "Which of the system's `does` it is. Default: the action's name.",
    "actions.NAME.arguments": "JSON Schema of a closed object: texts, whole numbers, booleans, enumerations, lists of "
    "these. Fractions, references and open objects are refused.",
    "actions.NAME.personal": "Arguments that are personal data, with whose they are. Kept beside the ledger, erasable.",
    "actions.NAME.personal.NAME": "Whose data the argument is, such as `customer/$order`.",
    "actions.NAME.amount": "The argument that is its amount, in minor units. Limits `of: amount` draw it.",
    "actions.NAME.currency": "The amount's currency, three capital letters.",
    "actions.NAME.touches": "Entities held while the effect is on its way, such as `order/$order`: another action on "
    "one of them is denied meanwhile.",
    "actions.NAME.once": "At most one effect for the same values of these arguments, ever.",
    "actions.NAME.facts": "What the action rests on, read anew for each judgement.",
    "actions.NAME.facts.NAME": "One fact, by the name that rules use.",
    "actions.NAME.facts.NAME.read": "Where from: `SYSTEM.READ`.",
    "actions.NAME.facts.NAME.with": "Parameters of the read.",
    "actions.NAME.facts.NAME.with.NAME": "A value, or `$argument`.",
    "actions.NAME.facts.NAME.type": "What it must be; a value of another type is missing.",
    "actions.NAME.facts.NAME.fresh": "How old it may be. Without it any age will do.",
    "actions.NAME.facts.NAME.stale": "What to do when it is older, or does not say how old it is. Default: deny.",
    "actions.NAME.facts.NAME.missing": "What to do when it is missing or cannot be read. Default: deny.",
    "actions.NAME.facts.NAME.ask": "The role asked, where one of the two escalates.",
    "actions.NAME.limits": "What may be drawn in all, over time.",
    "actions.NAME.limits[].name": "The limit's name. One name is one counter in all actions of the agent.",
    "actions.NAME.limits[].of": "What is counted: the action's `amount`, or `count`.",
    "actions.NAME.limits[].per": "A counter for each value of these arguments; `agent` and `department` may stand "
    "here too: per department alone is one counter for all its agents.",
    "actions.NAME.limits[].every": "The window, by the calendar in UTC.",
    "actions.NAME.limits[].at_most": "The cap, in minor units or a count, or `$fact`.",
    "actions.NAME.limits[].over": "What to do beyond it. Default: deny.",
    "actions.NAME.limits[].ask": "The role asked, where it escalates.",
    "actions.NAME.oversight": "`on_the_loop`: people see exceptions. `in_the_loop`: each one is approved by `ask`. "
    "`in_control`: the agent only recommends, nothing is done.",
    "actions.NAME.ask": "The role that approves each one, with `in_the_loop`.",
    "actions.NAME.undo": "The action that takes it back. It is not called by itself yet.",
    "actions.NAME.irreversible": "`true`: nothing takes it back. `remit check` warns where neither is said.",
}

CASES: Final[Meanings] = {
    "cases": "The tests of a policy set, judged in order.",
    "cases[].name": "What the case shows.",
    "cases[].agent": "Which agent proposes.",
    "cases[].action": "Which action.",
    "cases[].arguments": "Its arguments.",
    "cases[].confidence": "The agent's confidence. Absent: none stated.",
    "cases[].facts": "The facts as they would be read. Absent: missing.",
    "cases[].facts.NAME": "A value, or a value with more about it.",
    "cases[].facts.NAME.value": "The value.",
    "cases[].facts.NAME.age": "How long ago it was observed. Default: just now.",
    "cases[].facts.NAME.problem": "Why it is missing.",
    "cases[].used": "What is drawn already.",
    "cases[].used.NAME": "How much, by the limit's name.",
    "cases[].approvals": "Roles that said yes; `role:2` for two people.",
    "cases[].halts": "Scopes that are halted.",
    "cases[].claims": "Entities that another action holds.",
    "cases[].done": "`true`: another action has done the same already (`once`).",
    "cases[].now": "Business time of the judgement.",
    "cases[].expect": "What must come out.",
    "cases[].expect.verdict": "The verdict.",
    "cases[].expect.rule": "A rule that must be among those that speak for that verdict.",
    "cases[].expect.asks": "Exactly the roles that must be asked.",
}

_SYSTEM: Final[Meanings] = {
    "system": "The system's name, as manifests and rules use it.",
    "kind": "Which kind of description this is.",
    "zone": "The time zone of moments that name none. Default: UTC.",
    "pace": "How hard the system may be asked.",
    "pace.per_second": "Calls a second.",
    "pace.at_once": "Calls at the same time. Default: 8.",
    "pace.timeout": "How long one try may take. Default: `10s`.",
    "pace.tries": "Tries in all. An effect is tried again only where that is safe. Default: 3.",
    "reads": "Facts, one value each.",
    "lists": "Lists of records, for `Control.records`.",
}

_ASKING: Final[Meanings] = {
    "get": "The path, by GET.",
    "post": "The path, by POST.",
    "query": "What is sent in the query.",
    "query.NAME": "A value, or `$parameter`.",
    "body": "What is sent as JSON; `$name` stands for a parameter.",
    "headers": "Further headers.",
    "headers.NAME": "One header's text.",
    "items": "Where in the answer the list of records stands, such as `data.orders`.",
    "where": "Keeps only records whose fields equal these, for systems that filter loosely.",
    "where.NAME": "What that field must be.",
}

HTTP: Final[Meanings] = {
    **_SYSTEM,
    "url": "The one host that is spoken to. `${NAME}` is taken from the environment.",
    "unencrypted": "`true` allows credentials over plain http to another machine.",
    "auth": "How the caller shows who it is.",
    "auth.kind": "Which way.",
    "auth.header": "`api_key`: the header that carries it. Default: `X-Api-Key`.",
    "auth.query": "`api_key`: the query parameter that carries it instead.",
    "auth.user": "`basic`: the user.",
    "auth.secret": "Where the secret is: `env:NAME`, `file:PATH` or `keyring:SERVICE/USER`. Never the secret itself.",
    "auth.token_url": "`oauth2`: where tokens come from.",
    "auth.client_id": "`oauth2`: the client.",
    "auth.scope": "`oauth2`: the scope asked for.",
    "auth.audience": "`oauth2`: the audience asked for.",
    "auth.client": "`oauth2`: whether id and secret go in the header (default) or in the body.",
    "reads.NAME": "One fact.",
    **{f"reads.NAME.{key}": text for key, text in _ASKING.items()},
    "reads.NAME.value": "Where in the answer the value stands, such as `data.0.price`.",
    "reads.NAME.observed": "Where the moment stands at which it was true.",
    "reads.NAME.record": "Where the record's own name stands.",
    "lists.NAME": "One list.",
    **{f"lists.NAME.{key}": text for key, text in _ASKING.items() if not key.startswith("where")},
    "lists.NAME.paging": "How one page leads to the next.",
    "lists.NAME.paging.kind": "`page` and `offset` count, `cursor` hands on a value, `url` follows an address in the "
    "answer, `link` the Link header.",
    "lists.NAME.paging.parameter": "The query parameter that carries page, offset or cursor.",
    "lists.NAME.paging.start": "The first page (default 1) or offset (default 0).",
    "lists.NAME.paging.size_parameter": "The query parameter for the page's size.",
    "lists.NAME.paging.size": "The page's size.",
    "lists.NAME.paging.next": "`cursor`, `url`: where the next one stands in the answer.",
    "lists.NAME.paging.total": "Where the system says how many there are; a list that ends with another number failed.",
    "lists.NAME.paging.pages_max": "More pages than this are an error, not an end. Default: 1,000.",
    "does": "Effects.",
    "does.NAME": "One effect.",
    "does.NAME.post": "The path, by POST.",
    "does.NAME.put": "The path, by PUT.",
    "does.NAME.patch": "The path, by PATCH.",
    "does.NAME.delete": "The path, by DELETE.",
    "does.NAME.query": "What is sent in the query.",
    "does.NAME.query.NAME": "A value, or `$argument`.",
    "does.NAME.body": "What is sent as JSON. Default: all arguments.",
    "does.NAME.headers": "Further headers.",
    "does.NAME.headers.NAME": "One header's text.",
    "does.NAME.key_header": "The header that carries the idempotency key. With it an unclear attempt is sent again.",
    "does.NAME.accepted_is_done": "`true`: status 202 means done.",
    "does.NAME.cost": "Where in the answer the cost stands, in minor units.",
    "does.NAME.lookup": "How to ask what became of a key. With it an unclear attempt can be settled without a person.",
    **{f"does.NAME.lookup.{key}": text for key, text in _ASKING.items()},
}

DATABASE: Final[Meanings] = {
    **_SYSTEM,
    "url": "A SQLAlchemy URL. `${NAME}` is taken from the environment.",
    "secret": "The password, where it does not stand in the environment's URL: `env:NAME`, `file:PATH` or "
    "`keyring:SERVICE/USER`.",
    "reads.NAME": "One fact.",
    "reads.NAME.select": "A SELECT with columns named `value`, and if there are any `observed` and `record`; "
    "`:name` stands for a parameter.",
    "lists.NAME": "One list.",
    "lists.NAME.select": "A SELECT; each row is a record.",
    "does": "Effects.",
    "does.NAME": "One effect.",
    "does.NAME.execute": "The statement; it binds `:key`, so that what was done is found again.",
    "does.NAME.lookup": "A SELECT that finds what was done by `:key`.",
    "does.NAME.cost": "The column of the look-up that is the cost, in minor units.",
}

FILES: Final[Meanings] = {
    **_SYSTEM,
    "folder": "Where the files are dropped; may be relative to the description.",
    "pattern": "Which files count; of these the newest whole one is read.",
    "layout": "How a file is laid out.",
    "layout.encoding": "Its encoding.",
    "layout.header": "How many lines come before the rows.",
    "layout.observed": "Where in the first of them the moment stands: first and last column, from 1.",
    "layout.trailer": "What the last line begins with, followed by the number of rows. Without it a file that is still "
    "being written cannot be told from a whole one.",
    "layout.columns": "The columns.",
    "layout.columns.NAME": "First and last column, from 1.",
    "reads.NAME": "One fact.",
    "reads.NAME.where": "Which row: columns and what they must be.",
    "reads.NAME.where.NAME": "A value, or `$parameter`.",
    "reads.NAME.value": "The column that is the value.",
    "reads.NAME.type": "`integer` reads it as a whole number. Default: text.",
    "reads.NAME.record": "The column that names the record. Default: file and line.",
    "reads.NAME.absent": "The value when a whole file has no such row. Without it that is a missing fact.",
    "lists.NAME": "One list of rows.",
    "lists.NAME.where": "Which rows.",
    "lists.NAME.where.NAME": "A value, or `$parameter`.",
}
