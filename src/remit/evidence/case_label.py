"""One case, as evidence: what was said of it, since when that counts, and whether anybody was to say it at all.

The unit is the case: an agent's version, an action's name and a case. It is wrong if what was said of any of its
actions is wrong. Of one action a source of record outweighs people; of two who contradict each other the worse counts;
a speaker's later word replaces the earlier. A word counts once the case is mature; a case of which nobody spoke by its
deadline is missing, and that counts as wrong where autonomy is to rise. `remit.stats.label` says the same of one
action in general; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any, Final, Literal

import orjson

from remit.canonical import INTEGER_MAX, digest_bytes
from remit.store.engine import Row
from remit.vocabulary import Stage

__all__ = ["CASE_COLUMNS", "NEVER", "SETTLED", "CaseFate", "CaseRecord", "CaseTerms", "case_record_id", "read_case"]

CaseFate = Literal["immature", "awaited", "right", "wrong", "missing", "undrawn", "probe"]
"""Too young; nobody spoke yet; right; wrong; nobody spoke by the deadline; nobody was to look; planted by us."""

SETTLED: Final = frozenset({"right", "wrong", "missing", "undrawn", "probe"})
NEVER: Final = INTEGER_MAX
"""When a case matures whose deed is not done yet."""
CASE_COLUMNS: Final = "id,track,case_id,seq,matures,deadline,state,data"


@dataclass(frozen=True, slots=True)
class CaseTerms:
    """The terms on which cases are evidence; shares are basis points, lengths of time seconds.

    ``everyone``: a source of record says what became of every case, drawn or not. ``class_of`` gives a case's class by
    the arguments of its action.
    """

    starts: Stage
    class_of: Callable[[Mapping[str, Any]], str]
    matures_seconds: int
    deadline_seconds: int
    promise_bp: int
    sure_bp: int
    supervise_at_bp: int
    plan: tuple[int, ...]
    everyone: bool


class CaseRecord:
    """What is on record of one case. Moments are whole seconds since 1970, in business time.

    ``actions`` maps each action's digest to the moment of its last decision and to what each speaker said of it last.
    ``stage``, ``threshold_bp``, ``chance_bp`` and ``drawn`` are those of its first decision; ``least_bp`` is the least
    chance of any case then; ``alone``: it was one that needs no person but for the draw. ``state`` is its fate as it
    was counted, ``open`` while it is not. ``contradicted``: speakers differ about one of its actions; ``corrected``:
    one of them has changed their mind.
    """

    __slots__ = (
        "actions", "alone", "case", "chance_bp", "confidence_bp", "contradicted", "corrected", "deadline", "decided",
        "done", "drawn", "everyone", "fed", "id", "least_bp", "matures", "probe", "queued", "seq", "stage", "state",
        "threshold_bp", "track",
    )  # fmt: skip

    def __init__(self, id_: str, track: str, case: str, seq: int, decided: int, deadline: int):
        self.id, self.track, self.case, self.seq, self.decided = id_, track, case, seq, decided
        self.matures, self.deadline, self.state = NEVER, deadline, "open"
        self.stage: Stage = "shadow"
        self.confidence_bp: int | None = None
        self.threshold_bp: int | None = None
        self.chance_bp = self.least_bp = 10_000
        self.drawn, self.alone, self.everyone = True, False, False
        self.actions: dict[str, tuple[int, dict[str, bool]]] = {}
        self.done = self.corrected = self.contradicted = self.probe = self.fed = self.queued = False

    @property
    def expected(self) -> bool:
        """Whether somebody is to say what became of it."""
        return self.drawn or self.everyone

    @property
    def right(self) -> bool | None:
        """What is known of it, mature or not; None when nobody spoke."""
        found = None
        for _, words in self.actions.values():
            if words:
                sources = [right for speaker, right in words.items() if speaker.startswith("source:")]
                if not all(sources or words.values()):
                    return False
                found = True
        return found

    @property
    def teaches(self) -> bool:
        """Whether people see every case like it, so that it can teach a threshold: there was none when it came."""
        return self.threshold_bp is None

    def say(self, action: str, speaker: str, right: bool) -> bool:
        """Take in one word; return whether it is news."""
        words = self.actions[action][1]
        known = words.get(speaker)
        if known is right:
            return False
        words[speaker] = right
        if known is not None:
            self.corrected = True
            self.contradicted = any(len(set(said.values())) > 1 for _, said in self.actions.values())
        elif not self.contradicted:
            self.contradicted = (not right) in words.values()
        return True

    def finish(self, action: str, matures_seconds: int, deadline_seconds: int) -> bool:
        """Take in that a deed of the case is done; return whether it was the first, from which it matures."""
        if self.done:
            return False
        moment = self.actions[action][0]
        self.done, self.matures = True, moment + matures_seconds
        if moment <= self.deadline:
            self.deadline = max(self.deadline, moment + deadline_seconds)
        return True

    def no_deed(self, matures_seconds: int) -> bool:
        """Take in that nothing is done for now: it matures by its decision; return whether that moved anything."""
        if self.done or self.matures != NEVER:
            return False
        self.matures = self.decided + matures_seconds
        return True

    def fate(self, now: int) -> CaseFate:
        """Return what the case counts as at ``now``."""
        if self.probe:
            return "probe"
        if not (self.drawn or self.everyone):
            return "undrawn"
        late = now >= self.deadline
        if now < self.matures and not (late and self.matures == NEVER):
            return "immature"
        right = self.right
        if right is None:
            return "missing" if late else "awaited"
        return "right" if right else "wrong"

    def due(self) -> int:
        """Return the earliest moment at which it is settled, if nothing more is said."""
        if self.probe or not (self.drawn or self.everyone):
            return 0
        if self.matures == NEVER:
            return self.deadline
        return self.matures if self.right is not None else max(self.matures, self.deadline)

    def row(self) -> Row:
        """Return it as a row of `CASE_COLUMNS`."""
        on = (
            self.drawn, self.alone, self.everyone, self.done, self.corrected, self.probe, self.fed, self.queued,
            self.contradicted,
        )  # fmt: skip
        flags = "".join(compress("daefcpwqx", on))
        data = [
            self.decided, self.stage, self.confidence_bp, self.threshold_bp, [self.chance_bp, self.least_bp], flags,
            {action: [moment, words] for action, (moment, words) in self.actions.items()},
        ]  # fmt: skip
        text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode()
        return self.id, self.track, self.case, self.seq, self.matures, self.deadline, self.state, text


def read_case(row: Row) -> CaseRecord:
    """Read what `CaseRecord.row` wrote."""
    id_, track, case, seq, matures, deadline, state, text = row
    decided, stage, confidence, threshold, chance, flags, actions = orjson.loads(text)
    record = CaseRecord(id_, track, case, seq, decided, deadline)
    record.matures, record.state, record.stage = matures, state, stage
    record.confidence_bp, record.threshold_bp = confidence, threshold
    record.chance_bp, record.least_bp = chance
    record.drawn, record.alone, record.everyone, record.done = (letter in flags for letter in "daef")
    record.corrected, record.probe, record.fed, record.queued = (letter in flags for letter in "cpwq")
    record.contradicted = "x" in flags
    record.actions = {action: (moment, words) for action, (moment, words) in actions.items()}
    return record


def case_record_id(agent: str, version: str, action: str, case: str) -> str:
    """Return the key of a case's record."""
    return digest_bytes("\0".join((agent, version, action, case)).encode("utf-8", "surrogatepass"))
