"""Reviews: which case a person looks at next, what they are shown first, and what they say of it.

In one queue stand the questions about actions whose autonomy is earned, the cases that were drawn after the deed, and
probes. Where the terms say blind, a person first sees what identifies the case and the facts, gives an answer of their
own, and only then sees the agent's. Nobody reviews what they proposed or built. From the moment of showing to the
answer is the time it took them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from remit.canonical import canonical, digest, from_moment, to_moment
from remit.errors import BadInput, NotAllowed, NotFound
from remit.ledger.journal import Journal
from remit.ledger.sealing import SEALED, OpenFacts, unseal
from remit.oversight.approval import Answer, Pending, RolesOf, answer, answer_event, list_pending
from remit.oversight.probes import is_due, plant, probes_of
from remit.oversight.review_answer import answer_review, check_said
from remit.vocabulary import Event, Json

__all__ = ["ReviewCase", "ReviewQueue", "ReviewTerms"]

LISTED_MAX: Final = 100
MEASURED_SECONDS_MAX: Final = 4 * 3_600
"""Who was shown a case longer ago than that did something else meanwhile: then the time is not known."""
OWN_BYTES_MAX: Final = 65_536
_ERASED: Final = "(erased)"


@dataclass(frozen=True, slots=True)
class ReviewTerms:
    """What the queue needs of a remit: who may review an action, and how.

    ``identifying`` are the arguments that say which case it is; the others are the agent's answer.
    """

    role: str
    department: str
    built_by: tuple[str, ...]
    blind: bool
    probe_bp: int
    identifying: frozenset[str]


@dataclass(frozen=True, slots=True)
class ReviewCase:
    """One case to look at. ``kind``: a question that waits, or a case drawn after the deed.

    ``answer`` is what the agent says: arguments, confidence_bp and reasons; None while it is hidden from a person who
    has not given an answer of their own. ``facts`` are as recorded, with what they said where
    that can still be had. ``shown_at`` is when this person saw it first.
    """

    action: str
    case: str
    agent: str
    version: str
    name: str
    kind: Literal["asked", "drawn"]
    role: str
    blind: bool
    arguments: Mapping[str, Json]
    facts: tuple[Mapping[str, Json], ...]
    answer: Mapping[str, Json] | None
    own_answer: Mapping[str, Json] | None = None
    shown_at: datetime | None = None
    shown_digest: str = ""
    """The digest of what a person has before them, as it is recorded: of what is sealed its commitment."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One place of the queue: under which name it stands, and which action's decision is shown."""

    action: str
    shows: str
    kind: Literal["asked", "drawn"]
    data: Mapping[str, Any]
    pending: Pending | None = None
    probe: bool = False


class ReviewQueue:
    """The queue, as each person sees it. ``clock`` is the wall's: it measures how long people take.

    ``terms_of(agent, version, action)`` gives None for what is not reviewed; ``draw_key`` is the company's secret;
    ``open_facts`` puts back what sealed facts said.
    """

    def __init__(
        self,
        journal: Journal,
        terms_of: Callable[[str, str, str], ReviewTerms | None],
        roles_of: RolesOf,
        draw_key: Callable[[], bytes],
        clock: Callable[[], datetime],
        open_facts: OpenFacts,
    ):
        self._journal, self._store, self._open_facts = journal, journal.store, open_facts
        self._terms_of, self._roles_of, self._draw_key, self._clock = terms_of, roles_of, draw_key, clock

    def cases(self, person: str) -> tuple[ReviewCase, ...]:
        """Return what ``person`` may review, at most 100: questions by urgency, then the drawn, the oldest first."""
        return tuple(self._case(item, person) for item in self._items(person))

    def next_case(self, person: str) -> ReviewCase | None:
        """Show ``person`` the case that is theirs next; None when there is nothing."""
        items = self._items(person)
        return self._show(items[0], person) if items else None

    def show(self, prefix: str, person: str) -> ReviewCase:
        """Show one case, by the first digits of its action or by its case.

        Raises:
            NotFound: it does not stand in this person's queue. BadInput: several begin so.
        """
        return self._show(self._find(prefix, person), person)

    def commit(self, prefix: str, person: str, own: Mapping[str, Json]) -> ReviewCase:
        """Take ``person``'s own answer, and show the agent's. What was said once stays said.

        Raises:
            NotFound: as `show`. BadInput: an answer that cannot be kept, or to nothing that was asked.
        """
        item = self._find(prefix, person)
        case = self._show(item, person)
        if case.own_answer is None:
            _check_own(own, self._answer(item))
            self._keep(item.action, person, case.shown_at or self._clock(), dict(own))
        return self._case(item, person)

    def answer(
        self,
        prefix: str,
        person: str,
        right: bool | None,
        why: str = "",
        seconds: int | None = None,
        own: Mapping[str, Json] | None = None,
    ) -> Event:
        """Record what ``person`` says of a case: right, wrong, or None when they cannot tell. Returns the event.

        Raises:
            NotFound: it does not stand in this person's queue. NotAllowed: they may not say.
            BadInput: wrong without a reason, an impossible time, or no own answer where it is asked for first.
            Conflict: somebody else was quicker.
        """
        item = self._find(prefix, person)
        if own is not None:
            self.commit(item.action, person, own)
        case = self._case(item, person)
        if case.blind and case.answer is None:
            raise BadInput("this case is reviewed blind: give your own answer first, with --own NAME=VALUE")
        if right is None and item.kind == "asked":
            raise BadInput("this action waits for a yes or a no: say right or wrong")
        check_said(right, why, seconds)
        if seconds is None:
            seconds = self._measured(case)
        if item.pending is not None:
            event = answer(self._journal, item.pending, Answer(person, "", right is True, why, seconds), self._roles_of)
        else:
            guard = None if item.probe else item.action
            event = answer_review(
                self._journal, item.action, person, right=right, seconds=seconds, why=why, case=case.case,
                agent=case.agent, name=case.name, blind=case.blind, own_answer=_open_own(case, item),
                shown_digest=case.shown_digest, guard=guard,
            )  # fmt: skip
        self._forget(item.action, person)
        return event

    # Which stand in the queue.

    def _items(self, person: str) -> list[_Item]:
        """The queue with its probes; what is new in it is planted now, so that nobody sees one appear."""
        items: list[_Item] = []
        planted = {probe.before: probe for probe in probes_of(self._store, person)}
        key: bytes | None = None
        real = self._real(person)
        queued = frozenset(item.action for item in real)
        for item in real:
            terms = self._terms(item.data)
            assert terms is not None
            if terms.probe_bp and item.action not in planted:
                key = key or self._draw_key()
                if is_due(key, person, item.action, terms.probe_bp):
                    agent, name = item.data["action"]["agent"], item.data["action"]["name"]
                    probe = plant(self._journal, key, person, item.action, item.kind, agent, name, queued)
                    if probe is not None:
                        planted[item.action] = probe
            items.append(item)
        return self._with_probes(items, planted, person)[:LISTED_MAX]

    def _with_probes(self, items: list[_Item], planted: Mapping[str, Any], person: str) -> list[_Item]:
        answered = self._answered([probe.id for probe in planted.values()])
        waiting = {probe.before: probe for probe in planted.values() if probe.id not in answered}
        decided = self._decided(probe.source for probe in waiting.values())
        places = {item.action for item in items}
        result = [_probe_item(probe, decided) for before, probe in waiting.items() if before not in places]
        for item in items:
            if item.action in waiting:
                result.append(_probe_item(waiting[item.action], decided))
            result.append(item)
        return [item for item in result if item.data]

    def _real(self, person: str) -> list[_Item]:
        places: list[tuple[str, Pending | None]] = [(one.action, one) for one in list_pending(self._store)]
        rows = self._store.read("select action, data from review where state = 'open'")
        places += [(action, None) for _, action in sorted((orjson.loads(data)["seq"], action) for action, data in rows)]
        found: list[_Item] = []
        for start in range(0, len(places), LISTED_MAX):
            part = places[start : start + LISTED_MAX]
            decided = self._decided(action for action, _ in part)
            items = [
                _Item(action, action, "asked" if pending else "drawn", decided.get(action, {}), pending)
                for action, pending in part
            ]
            found += [item for item in items if item.data and self._may(item, person)]
            if len(found) >= LISTED_MAX:
                break
        return found[:LISTED_MAX]

    def _may(self, item: _Item, person: str) -> bool:
        try:
            self._allowed(item, person)
        except NotAllowed:
            return False
        return True

    def _allowed(self, item: _Item, person: str) -> None:
        action, terms = item.data["action"], self._terms(item.data)
        if terms is None:
            raise NotAllowed(f"{action['name']} of {action['agent']} is not reviewed: its autonomy is not earned")
        if item.pending is not None:
            if any(grant.person == person for grant in item.pending.granted):
                raise NotAllowed(f"{person} has already answered about {item.action[:12]}")
            answer_event(item.pending, Answer(person, "", True), self._roles_of)
        elif f"person:{person}" == item.data["proposer"] or person == action["agent"]:
            raise NotAllowed(f"{person} proposed this action and may not review it")
        elif person in terms.built_by:
            raise NotAllowed(f"{person} built agent {action['agent']} and may not review what it does")
        elif terms.role not in self._roles_of(person, terms.department):
            raise NotAllowed(f"{person} does not hold the role asked: {terms.role}")

    def _terms(self, data: Mapping[str, Any]) -> ReviewTerms | None:
        action = data["action"]
        return self._terms_of(action["agent"], action["version"], action["name"])

    def _decided(self, actions: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        wanted = sorted(set(actions))
        if not wanted:
            return {}
        with self._store.snapshot() as reader:
            rows = reader.fetch_in("event", "action,actor,body", "action", wanted, "step = 'decided:1'")
        return {action: {**orjson.loads(body)["data"], "proposer": actor} for action, actor, body in rows}

    def _answered(self, actions: list[str]) -> set[str]:
        if not actions:
            return set()
        with self._store.snapshot() as reader:
            rows = reader.fetch_in("event", "action", "action", actions, "kind = 'review.answered'")
        return {action for (action,) in rows}

    def _find(self, prefix: str, person: str) -> _Item:
        items = self._items(person)
        found = [item for item in items if len(prefix) >= 4 and item.action.startswith(prefix)]
        found = found or [item for item in items if item.data["action"]["case"] == prefix]
        if len(found) > 1:
            raise BadInput(f"several cases in the queue are {prefix!r:.60}; give the digits of the action")
        if found:
            return found[0]
        self._refuse(prefix, person)
        raise NotFound(f"nothing {prefix!r:.60} waits for {person}'s review; `remit review` lists what does")

    def _refuse(self, prefix: str, person: str) -> None:
        """Say why, where somebody may not review what is there."""
        rows = self._store.read("select action from review where state = 'open'") if len(prefix) >= 4 else []
        actions = [action for (action,) in rows if action.startswith(prefix)]
        for action, data in self._decided(actions).items():
            self._allowed(_Item(action, action, "drawn", data), person)

    # What a person is shown.

    def _show(self, item: _Item, person: str) -> ReviewCase:
        if self._kept(item.action, person) is None:
            self._keep(item.action, person, self._clock(), None)
        return self._case(item, person)

    def _case(self, item: _Item, person: str) -> ReviewCase:
        action, terms = item.data["action"], self._terms(item.data)
        assert terms is not None
        kept = self._kept(item.action, person)
        own = kept["own"] if kept else None
        names = self._names(item, terms)
        hidden = terms.blind and own is None
        answer_ = None if hidden else self._answer(item)
        recorded = {name: action["arguments"][name] for name in names}
        with self._store.snapshot() as reader:
            facts = self._open_facts(reader, item.data["facts"])
        shown = {"arguments": recorded, "facts": item.data["facts"], "answer": self._said(item) if answer_ else None}
        return ReviewCase(
            item.action, action["case"], action["agent"], action["version"], action["name"], item.kind, terms.role,
            terms.blind, _unsealed(self._store, recorded), tuple(facts), answer_, own,
            to_moment(kept["at"]) if kept else None, digest(shown),
        )  # fmt: skip

    def _names(self, item: _Item, terms: ReviewTerms) -> list[str]:
        """The arguments that say which case it is; all of them where the remit does not tell them apart."""
        names = item.data["action"]["arguments"]
        return [name for name in names if name in terms.identifying] or list(names)

    def _answer(self, item: _Item) -> dict[str, Json]:
        said = self._said(item)
        return {**said, "arguments": _unsealed(self._store, said["arguments"])}

    def _said(self, item: _Item) -> dict[str, Any]:
        """What the agent says, as it is recorded."""
        action, terms = item.data["action"], self._terms(item.data)
        assert terms is not None
        said = set(action["arguments"]) - set(self._names(item, terms))
        arguments = {name: action["arguments"][name] for name in sorted(said)}
        return {"arguments": arguments, "confidence_bp": action["confidence_bp"], "reasons": action["reasons"]}

    def _measured(self, case: ReviewCase) -> int | None:
        if case.shown_at is None:
            return None
        seconds = int((self._clock() - case.shown_at).total_seconds())
        return seconds if 0 <= seconds <= MEASURED_SECONDS_MAX else None

    # When it was shown, and what was said before the agent's answer was: beside the ledger until the review is done.

    def _kept(self, action: str, person: str) -> dict[str, Any] | None:
        rows = self._store.read("select value from setting where name = ?", (_name(action, person),))
        return orjson.loads(rows[0][0]) if rows else None

    def _keep(self, action: str, person: str, at: datetime, own: Mapping[str, Json] | None) -> None:
        value = canonical({"at": from_moment(at), "own": own}).decode()
        with self._store.transaction() as transaction:
            rows = transaction.fetch("select value from setting where name = ?", (_name(action, person),))
            if rows and (own is None or orjson.loads(rows[0][0])["own"] is not None):
                return  # of two at once the first counts
            transaction.upsert_many("setting", "name", "name,value", [(_name(action, person), value)])

    def _forget(self, action: str, person: str) -> None:
        with self._store.transaction() as transaction:
            transaction.execute("delete from setting where name = ?", (_name(action, person),))


def _probe_item(probe: Any, decided: Mapping[str, Mapping[str, Any]]) -> _Item:
    return _Item(probe.id, probe.source, probe.kind, decided.get(probe.source, {}), None, True)


def _unsealed(store: Any, arguments: Mapping[str, Json]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in arguments.items():
        try:
            found |= unseal(store, {name: value})
        except NotFound:
            found[name] = _ERASED
    return found


def _check_own(own: Mapping[str, Json], answer_: Mapping[str, Any]) -> None:
    asked = answer_["arguments"]
    unknown = sorted(set(own) - set(asked))
    if asked and (not own or unknown):
        got = ", ".join(unknown)[:60] or "nothing"
        raise BadInput(f"own answer: got {got}, expected values for {', '.join(sorted(asked))}")
    if len(canonical(dict(own))) > OWN_BYTES_MAX:
        raise BadInput(f"own answer: more than {OWN_BYTES_MAX} bytes")


def _open_own(case: ReviewCase, item: _Item) -> dict[str, Json] | None:
    """The own answer as it may be recorded: of personal values only whether they are the same."""
    if case.own_answer is None or case.answer is None:
        return None
    said: Any = case.answer["arguments"]
    recorded = item.data["action"]["arguments"]
    found: dict[str, Json] = {}
    for name, value in case.own_answer.items():
        personal = isinstance(recorded.get(name), dict) and set(recorded[name]) == {SEALED}
        found[name] = {"same": canonical(said.get(name)) == canonical(value)} if personal else value
    return found


def _name(action: str, person: str) -> str:
    return f"review/{action}/{person}"
