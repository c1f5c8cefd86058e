"""What a promotion rests on, in numbers that outsiders can find again in the exported ledger.

A certificate's body is plain JSON: the promise, the method with its parameters, the counts, the window of the ledger
they were counted in, and the numbers worked out from them as ``float.hex`` text. `ledger/verify.py --certificate`
counts the cases again by the rules of `docs/explanation/life-of-an-action.md` and computes the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from remit.canonical import digest, from_moment
from remit.errors import BadInput
from remit.evidence.track_state import TrackState
from remit.ledger.checkpoint import Signer
from remit.lifecycle.learning import Learned
from remit.lifecycle.stage import RateEvidence
from remit.manifest.autonomy import Autonomy
from remit.stats.paired import Pairs
from remit.vocabulary import Event, Json, Stage

__all__ = ["ASSUMPTIONS", "FORM", "Certificate", "certificate_body", "certificate_event", "paired_proof", "rate_proof",
           "read_certificate", "threshold_proof"]  # fmt: skip

FORM: Final = "remit-certificate-1"

ASSUMPTIONS: Final = (
    "Outcomes within the certificate's life come from one source, whatever came before: it is suspended when stated "
    "confidences change, ends at its date, and speaks of the past.",
    "The unit is the case, not the action: several actions of one case are one outcome.",
    "Agent, model, prompt and tools are those of the fingerprint: any change voids it.",
    "The plan of label counts, the candidates and the bound were fixed before a label was seen.",
    "Cases were drawn for review with the recorded chances, which were positive and could not be foreseen.",
    "Whoever says that a case was right would have noticed an error; what the reviewers miss is not in the number.",
    "What surfaces after a case matures came in as a correction.",
    "The chance of being wrong holds for each class; where several classes are named together, for the share of false "
    "ones among them.",
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate as it stands in the ledger. ``note`` is the company's signature on its digest, as signed note."""

    digest: str
    agent: str
    version: str
    action: str
    class_: str
    to: Stage
    body: Mapping[str, Any]
    note: str

    def as_json(self) -> dict[str, Json]:
        """Return it as plain JSON."""
        return {"digest": self.digest, "body": dict(self.body), "note": self.note}

    def lines(self) -> tuple[str, ...]:
        """Return it in words, one line each: what is promised, on what evidence, under which assumptions."""
        body = self.body
        proof = body["proof"]
        what = {
            "mixture": "{errors} wrong of {trials} settled cases ({missing} of them without a word)",
            "learn-then-test": "from {threshold_bp} bp on, {errors} wrong of {at_or_above} labelled cases",
            "paired": "on the same cases as version {other}: {same} alike, {better} better, {worse} worse",
        }[proof["method"]].format(**proof)
        promise, sure = f"{body['promise_bp'] / 100:g} %", f"{body['sure_bp'] / 100:g} %"
        return (
            f"certificate  {self.digest}",
            f"agent        {self.agent}, version {self.version} (manifest {body['manifest']})",
            f"action       {self.action}" + (f", class {self.class_}" if self.class_ else ""),
            f"stage        {body['from']} to {self.to}",
            f"promise      what passes without a person is wrong less often than {promise}, {sure} sure",
            f"evidence     {what}",
            f"method       {proof['method']}",
            f"window       events {max(0, body['from_seq'])} to {body['to_seq']}",
            f"expires      {body['expires_at'] or 'never'}",
            *(f"assumes      {line}" for line in body["assumptions"]),
        )


def rate_proof(evidence: RateEvidence) -> dict[str, Json]:
    """Return the proof by which a rate is certified: `remit.stats.rate`, with e-BH over several classes."""
    return {
        "method": "mixture",
        "trials": evidence.trials,
        "errors": evidence.errors,
        "missing": evidence.missing,
        "bound": evidence.bound.hex(),
        "delta": evidence.delta.hex(),
        "classes": evidence.classes,
        "log_evidence": evidence.log_evidence.hex(),
        "required": (evidence.required or 0.0).hex(),
        "upper": evidence.upper.hex(),
    }


def threshold_proof(learned: Learned, planned: int, terms: Autonomy) -> dict[str, Json]:
    """Return the proof of a learned threshold: `remit.stats.threshold`, at a planned number of labels."""
    delta = (10_000 - terms.sure_bp) / 10_000 / 2
    return {
        "method": "learn-then-test",
        "plan": list(terms.plan),
        "plan_at": planned,
        "threshold_bp": learned.threshold_bp,
        "share_bp": learned.share_bp,
        "labels": learned.labels,
        "at_or_above": learned.at_or_above,
        "errors": learned.errors,
        "bound": (terms.promise_bp / 10_000).hex(),
        "delta": delta.hex(),
        "log_evidence": learned.log_evidence.hex(),
    }


def paired_proof(
    pairs: Pairs, other: str, terms: Autonomy, margin: float, delta: float, log_evidence: float
) -> dict[str, Json]:
    """Return the proof that a version is as good as ``other``, whose terms those are: `remit.stats.paired`."""
    return {
        "method": "paired",
        "other": other,
        "other_terms": _counting(terms),
        "same": pairs.same,
        "better": pairs.better,
        "worse": pairs.worse,
        "margin": margin.hex(),
        "delta": delta.hex(),
        "log_evidence": log_evidence.hex(),
    }


def _counting(terms: Autonomy) -> dict[str, Json]:
    """What of the terms says how cases are counted."""
    return {
        "starts": terms.starts,
        "class_argument": terms.class_argument,
        "matures_seconds": terms.matures_seconds,
        "deadline_seconds": terms.deadline_seconds,
        "everyone": terms.outcome is not None,
    }


def certificate_body(
    track: TrackState, terms: Autonomy, manifest: str, to: Stage, proof: Mapping[str, Json], now: datetime, to_seq: int,
    threshold_bp: int | None,
) -> dict[str, Json]:  # fmt: skip
    """Return the body of a certificate for ``track``'s step to ``to``, counted at ``now`` over events below ``to_seq``.

    ``manifest`` is the digest of its version's remit.
    """
    alone = to == "autonomous" and proof["method"] == "mixture"
    review = {"sampled": terms.review_bp, "autonomous": terms.maintenance_bp}.get(to, 0)
    return {
        "form": FORM,
        "agent": track.agent,
        "version": track.version,
        "manifest": manifest,
        "action": track.action,
        "class": track.class_,
        "from": track.stage,
        "to": to,
        "promise_bp": terms.promise_bp,
        "sure_bp": terms.sure_bp,
        "terms": _counting(terms),
        "threshold_bp": threshold_bp,
        "review_bp": 0 if to == "supervised" else max(1, review),
        "window": "alone" if alone else "learn",
        "from_seq": track.alone_from if alone else track.learn_from,
        "to_seq": to_seq,
        "changed_seq": track.changed_seq,
        "at": int(now.timestamp()),
        "issued_at": from_moment(now),
        "expires_at": None if to == "supervised" else from_moment(now + timedelta(seconds=terms.expires_seconds)),
        "proof": dict(proof),
        "assumptions": list(ASSUMPTIONS),
    }


def certificate_event(body: Mapping[str, Any], signer: Signer, number: int) -> Event:
    """Return the event that issues a certificate; ``number`` counts those of its track, so that each is issued once."""
    name = digest(body)
    track = [body["agent"], body["version"], body["action"], body["class"]]
    data: dict[str, Json] = {
        "agent": body["agent"],
        "version": body["version"],
        "action": body["action"],
        "class": body["class"],
        "to": body["to"],
        "digest": name,
        "body": dict(body),
        "note": signer.sign_note(f"certificate {name}"),
    }
    return Event("certificate.issued", "remit", data, name, digest(["certificate", *track]), f"issued:{number}")


def read_certificate(data: Mapping[str, Any]) -> Certificate:
    """Read the data of a ``certificate.issued`` event.

    Raises:
        BadInput: its body is not what its digest says.
    """
    if digest(data["body"]) != data["digest"]:
        raise BadInput(f"certificate {data['digest'][:12]}: its body has another digest; run `remit verify`")
    return Certificate(
        data["digest"], data["agent"], data["version"], data["action"], data["class"], data["to"], data["body"],
        data["note"],
    )  # fmt: skip
