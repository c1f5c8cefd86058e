"""A second judge: slow, plain, and written from the documents, not from the gate.

It reads the manifest as the values a person wrote, evaluates rules as trees of tuples, and knows nothing of
schemas, slices, caches or Cedar.
"""

from __future__ import annotations

import fnmatch
import hashlib
from datetime import datetime, timedelta
from typing import Any

SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~:@+,=-")
ORDER = ["identity", "switch", "manifest", "arguments", "freshness", "policy", "limits", "conflict", "confidence"]
ORDER += ["oversight", "stage"]
LONG = 2**63


class Overflow(Exception):
    """A number that Cedar's 64 bits do not hold."""


def escaped(given: Any) -> str:
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int):
        return str(given)
    if len(given) > 200:
        return "%-sha256-" + hashlib.sha256(given.encode()).hexdigest()
    return "".join(c if c in SAFE else "".join(f"%{byte:02X}" for byte in c.encode()) for c in given)


def judge(world: dict[str, Any]) -> tuple[str, dict[str, str], dict[str, int]]:
    """The verdict, each check's verdict, and whose word is needed: role to number of people."""
    plain = PlainGate(world)
    found = {name: getattr(plain, f"check_{name}")() for name in ORDER}
    found = {name: one for name, one in found.items() if one != "not asked"}
    verdicts = list(found.values())
    verdict = "deny" if "deny" in verdicts else "escalate" if "escalate" in verdicts else "allow"
    return verdict, found, plain.asks if verdict == "escalate" else {}


class PlainGate:
    def __init__(self, world: dict[str, Any]):
        self.manifest, self.action, self.facts = world["manifest"], world["action"], world["facts"]
        self.standing, self.rules = world["standing"], world["rules"]
        self.grant = self.manifest["actions"].get(self.action["name"])
        self.arguments = self.action["arguments"]
        self.asks: dict[str, int] = {}
        self.good = self.grant is not None and self.well_formed()

    def ask(self, role: str, count: int = 1) -> str:
        if self.people(role) >= count:
            return "allow"
        self.asks[role] = max(self.asks.get(role, 0), count)
        return "escalate"

    def people(self, role: str) -> int:
        no_word = [self.manifest["agent"], *self.manifest["built_by"]]
        return len({person for given, person in self.standing["grants"] if given == role and person not in no_word})

    def well_formed(self) -> bool:
        given = self.arguments
        if self.action["name"] == "look":
            return bool(given == {})
        if any(name not in ("order", "amount", "mode", "flag", "tags") for name in given):
            return False
        order, mode = given.get("order"), given.get("mode")
        if not isinstance(order, str) or len(order) > 20 or any(0xD800 <= ord(c) < 0xE000 for c in order):
            return False
        if mode not in ("air", "sea", "air*"):
            return False
        if "amount" in given and (type(given["amount"]) is not int or abs(given["amount"]) >= 2**53):
            return False
        if "flag" in given and type(given["flag"]) is not bool:
            return False
        tags = given.get("tags", [])
        return isinstance(tags, list) and len(tags) <= 3 and all(isinstance(tag, str) for tag in tags)

    # each check, by its name

    def check_identity(self) -> str:
        return "allow" if self.action["agent"] == "payer" and self.action["same_version"] else "deny"

    def check_switch(self) -> str:
        for kind, name in self.standing["halts"]:
            if kind == "everything":
                return "deny"
            if kind == "agent" and name in ("payer", self.action["agent"]):
                return "deny"
            if kind == "department" and name == "money":
                return "deny"
            if kind == "version" and name == "self":
                return "deny"
            if kind == "action" and name == self.action["name"]:
                return "deny"
            if kind == "system" and (self.grant is None or name == "bank"):
                return "deny"
            if kind == "entity" and (not self.good or name in self.entities()):
                return "deny"
        return "allow"

    def entities(self) -> list[str]:
        names = []
        for template in self.grant.get("touches", []):
            name = template.replace("$order", escaped(self.arguments["order"]))
            names.append(name.replace("$mode", escaped(self.arguments["mode"])))
        return names

    def check_manifest(self) -> str:
        return "allow" if self.grant is not None else "deny"

    def check_arguments(self) -> str:
        return "allow" if self.good else "deny"

    def value_of(self, name: str) -> Any:
        """The fact's value, None when it is missing."""
        kind = self.grant["facts"][name]["type"]
        row = self.facts.get(name)
        if row is None or row["name"] != name:
            return None
        given = row["value"]
        if kind == "text":
            whole = isinstance(given, str) and not any(0xD800 <= ord(c) < 0xE000 for c in given)
            return given if whole else None
        if kind == "integer":
            return given if type(given) is int else None
        if kind == "boolean":
            return given if isinstance(given, bool) else None
        fits = isinstance(given, list) and all(isinstance(item, str) for item in given)
        return given if fits else None

    def state_of(self, name: str) -> str:
        need = self.grant["facts"][name]
        if self.value_of(name) is None:
            return "missing"
        age = self.facts[name]["age"]
        if age is not None and age < -300:
            return "ahead"
        if "fresh" not in need:
            return "good"
        lengths = {"60s": 60, "1h": 3600, "0s": 0}
        return "stale" if age is None or age > lengths[need["fresh"]] else "good"

    def check_freshness(self) -> str:
        if self.grant is None:
            return "deny"
        found = []
        for name, need in self.grant.get("facts", {}).items():
            state = self.state_of(name)
            remedy = {"good": "allow", "ahead": "deny"}.get(state) or need.get(state, "deny")
            found.append(self.ask(need["ask"]) if remedy == "escalate" else remedy)
        return worst(found)

    def check_policy(self) -> str:
        if not self.good:
            return "deny"
        needed: dict[str, int] = {}
        while True:
            result = self.evaluate(set(needed))
            if result == "deny":
                return "deny"
            if result == []:
                break
            before = dict(needed)
            for rule in result:
                for role, count in rule["approvers"].items():
                    needed[role] = max(needed.get(role, 0), count)
            if needed == before:
                return "deny"
        given = {role for role, count in needed.items() if self.people(role) >= count}
        if given == set(needed):
            return "allow"
        result = self.evaluate(given)
        if result in ("deny", []):
            return "deny" if result == "deny" else "allow"
        wanted = {role for rule in result for role in rule["approvers"]} - given
        for role in wanted:
            self.asks[role] = max(self.asks.get(role, 0), needed[role])
        return "escalate" if wanted else "deny"

    def evaluate(self, approvals: set[str]) -> Any:
        """``deny``, or the approval rules that still forbid; none of them means it passes."""
        permits, hard, soft = 0, 0, []
        for rule in self.rules:
            if not self.in_scope(rule):
                continue
            try:
                fires = self.fires(rule, approvals)
            except Overflow:
                return "deny"
            if fires and rule["effect"] == "permit":
                permits += 1
            elif fires and rule["effect"] == "forbid":
                hard += 1
            elif fires:
                soft.append(rule)
        if hard or (not permits and not soft):
            return "deny"
        return soft

    def in_scope(self, rule: dict[str, Any]) -> bool:
        if rule["principal"] == "stranger" or rule["resource"] == "other":
            return False
        return rule["action"] in ("any", "both", self.action["name"])

    def fires(self, rule: dict[str, Any], approvals: set[str]) -> bool:
        if rule["when"] is not None and not self.holds(rule["when"]):
            return False
        if rule["effect"] == "approve":
            given = [role in approvals for role in rule["approvers"]]
            return not (all(given) if rule["lifted_by"] == "all" else any(given))
        return not (rule["unless"] is not None and self.holds(rule["unless"]))

    def holds(self, tree: Any) -> bool:
        match tree[0]:
            case "not":
                return not self.holds(tree[1])
            case "and":
                return self.holds(tree[1]) and self.holds(tree[2])
            case "or":
                return self.holds(tree[1]) or self.holds(tree[2])
            case "if":
                return self.holds(tree[2]) if self.holds(tree[1]) else self.holds(tree[3])
            case "constant":
                return bool(tree[1])
            case "has":
                return self.read(tree[1]) is not None
        operands = [part for part in tree[1:] if isinstance(part, tuple)]
        if any(self.absent(part) for part in operands):
            return False
        left = self.value(operands[0])
        if tree[0] == "is":
            return left is True
        if tree[0] == "like":
            return fnmatch.fnmatchcase(left, tree[2])
        right = self.value(operands[1])
        match tree[0]:
            case "contains":
                return right in left
            case "containsAny":
                return any(item in left for item in right)
            case "containsAll":
                return all(item in left for item in right)
            case "==":
                return bool(left == right)
            case "!=":
                return bool(left != right)
            case "<":
                return bool(left < right)
            case "<=":
                return bool(left <= right)
            case ">":
                return bool(left > right)
        return bool(left >= right)

    def absent(self, tree: Any) -> bool:
        if tree[0] == "read":
            return self.read(tree[1:]) is None
        return any(self.absent(part) for part in tree[1:] if isinstance(part, tuple))

    def value(self, tree: Any) -> Any:
        if tree[0] in ("number", "text", "set"):
            return tree[1]
        if tree[0] == "read":
            return self.read(tree[1:])
        left, right = self.value(tree[1]), self.value(tree[2])
        number = left + right if tree[0] == "+" else left - right if tree[0] == "-" else left * right
        if not -LONG <= number < LONG:
            raise Overflow
        return number

    def read(self, path: Any) -> Any:
        now: datetime = self.standing["now"]
        needs = self.grant.get("facts", {})
        match path:
            case ("arguments", name):
                return self.arguments.get(name)
            case ("facts", name):
                return self.value_of(name) if name in needs else None
            case ("amount_minor",):
                return self.arguments.get(self.grant.get("amount"))
            case ("confidence_bp",):
                stated = self.action["confidence_bp"]
                return stated if stated is not None and 0 <= stated <= 10_000 else None
            case ("hour",):
                return now.hour
            case ("weekday",):
                return now.weekday() + 1
            case ("now",):
                return round(now.timestamp())
            case ("missing",):
                return [name for name in needs if self.state_of(name) == "missing"]
            case ("stale",):
                return [name for name in needs if self.state_of(name) in ("stale", "ahead")]
        raise AssertionError(path)

    def counter(self, limit: dict[str, Any]) -> str | None:
        now: datetime = self.standing["now"]
        monday = now - timedelta(days=now.weekday())
        window = {
            "hour": now.strftime("%Y-%m-%dT%H"),
            "day": now.strftime("%Y-%m-%d"),
            "week": monday.strftime("%G-W%V"),
            "month": now.strftime("%Y-%m"),
            "ever": "ever",
        }[limit["every"]]
        groups = []
        for name in limit["per"]:
            if name not in ("agent", "department"):
                if name not in self.arguments:
                    return None
                groups.append(escaped(self.arguments[name]))
        shared = "department" in limit["per"] and "agent" not in limit["per"]
        owner = "department:money" if shared else "agent:payer"
        return "/".join(["limit", owner, limit["name"], window, *groups])

    def check_limits(self) -> str:
        if not self.good:
            return "deny"
        found = []
        for index, limit in enumerate(self.grant.get("limits", [])):
            amount = 1 if limit["of"] == "count" else self.arguments.get("amount")
            cap = self.value_of("budget") if limit["at_most"] == "$budget" else limit["at_most"]
            if amount is None or amount < 0 or cap is None or cap < 0 or self.counter(limit) is None:
                found.append("deny")
            elif self.standing["used"].get(index, 0) + amount <= cap:
                found.append("allow")
            else:
                found.append(self.ask(limit["ask"]) if limit["over"] == "escalate" else "deny")
        return worst(found)

    def check_conflict(self) -> str:
        if not self.good:
            return "deny"
        if self.standing["claimed"] == "other" and self.grant.get("touches"):
            return "deny"
        return "deny" if self.standing["done"] == "other" and "once" in self.grant else "allow"

    def check_confidence(self) -> str:
        stated = self.action["confidence_bp"]
        if stated is not None and not 0 <= stated <= 10_000:
            return "deny"
        if self.grant is not None and self.grant["oversight"] == "earned":
            if self.stage() in ("shadow", "supervised") or self.alone():
                return "allow"
            return self.ask(self.grant["ask"])
        rule = self.manifest.get("confidence")
        if rule is None or (stated is not None and stated >= rule["at_least"] * 10_000):
            return "allow"
        return self.ask(rule["ask"])

    def check_oversight(self) -> str:
        if self.grant is None or self.grant["oversight"] == "in_control":
            return "deny"
        return self.ask(self.grant["ask"]) if self.grant["oversight"] == "in_the_loop" else "allow"

    def stage(self) -> str:
        """What counts now: as recorded, else where it starts; what has run out is supervised."""
        recorded = self.standing["earned"]
        if recorded is None or recorded["for"] == "another":
            return str(self.grant["autonomy"].get("starts", "shadow"))
        over = recorded["ends"] is not None and recorded["ends"] <= 0
        stage = str(recorded["stage"])
        return "supervised" if over and stage in ("sampled", "autonomous") else stage

    def alone(self) -> bool:
        """Sure enough, as learned, at a stage where that counts."""
        stated = self.action["confidence_bp"]
        if self.stage() not in ("sampled", "autonomous") or self.standing["earned"]["threshold"] is None:
            return False
        return type(stated) is int and stated >= self.standing["earned"]["threshold"]

    def check_stage(self) -> str:
        if self.grant is None or self.grant["oversight"] != "earned":
            return "not asked"
        stage = self.stage()
        if stage == "shadow":
            return "allow" if self.people(self.grant["ask"]) else "deny"
        if stage == "supervised":
            return self.ask(self.grant["ask"])
        if not self.alone():
            return "allow"
        draw = self.standing["draw"]
        if draw is None or (stage == "sampled" and draw < self.standing["earned"]["review"]):
            return self.ask(self.grant["ask"])
        return "allow"

    def review(self) -> tuple[int, bool, str] | None:
        """The probability that was drawn with, whether it was drawn, and when the person sees it."""
        if self.grant is None or self.grant["oversight"] != "earned" or self.stage() == "shadow":
            return None
        if not self.alone():
            return 10_000, True, "before"
        share, draw = self.standing["earned"]["review"], self.standing["draw"]
        return share, draw is None or draw < share, "before" if self.stage() == "sampled" else "after"


def worst(found: list[str]) -> str:
    return "deny" if "deny" in found else "escalate" if "escalate" in found else "allow"
