"""A second, slower, plainer reader of contexts. It first takes everything invisible out of the world, then looks.

So whatever it says cannot depend on what is not visible. It shares no statement and no helper with the reader that is
judged by it.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

Tables = dict[str, list[dict[str, Any]]]
OPEN = 2**53 - 1
WORDS = {1: "late", 2: "corrected", 4: "ahead", 8: "released"}


def seen(row: dict[str, Any], size: int) -> bool:
    return bool(row["tx_from"] < size <= row["tx_to"])


def visible_world(tables: Tables, scopes: set[str], as_of: int, valid_at: int) -> Tables:
    """The same tables without anything that may not be seen: what is left is all that a context may depend on."""
    numbers = {row["sc"] for row in tables["scope"] if row["name"] in scopes}

    def holds(row: dict[str, Any]) -> bool:
        return seen(row, as_of) and row["valid_from"] <= valid_at < row["valid_to"] and row["sc"] in numbers

    facts = [row for row in tables["fact"] if holds(row)]
    rids = {row["rid"] for row in facts}
    return {
        "scope": [row for row in tables["scope"] if row["sc"] in numbers],
        "dataset": tables["dataset"],
        "property": tables["property"],
        "load": tables["load"],
        "quarantine": [row for row in tables["quarantine"] if seen(row, as_of)],
        "version": [row for row in tables["version"] if seen(row, as_of)],
        "record": [row for row in tables["record"] if row["rid"] in rids],
        "member": [row for row in tables["member"] if row["rid"] in rids and seen(row, as_of)],
        "fact": facts,
        "link": [row for row in tables["link"] if holds(row) and row["src"] in rids and row["dst"] in rids],
    }


class PlainContext:
    """One context of a world that has been made visible, as the JSON that is expected, or None when there is none."""

    def __init__(self, world: Tables, ask: dict[str, Any]):
        self.world, self.ask = world, ask
        self.group: dict[int, list[int]] = {}
        cluster = {row["rid"]: row["eid"] for row in world["member"]}
        for rid in sorted(cluster):
            together = sorted(other for other in cluster if cluster[other] == cluster[rid])
            self.group[rid] = together
        self.name = {row["pid"]: row["name"] for row in world["property"]}
        self.type = {row["pid"]: row["type"] for row in world["property"]}

    def read(self) -> dict[str, Any] | None:
        ask = self.ask
        anchor = int(ask["entity"][1:])
        if anchor not in self.group:
            return None
        root = self.group[anchor][0]
        all_facts = self.facts_of(root, None)
        room = ask["facts_max"] - len(all_facts)
        taken = {root: (0, all_facts[: ask["facts_max"]])}
        looked_at = list(all_facts)
        left_out: set[int] = set()
        links: dict[int, tuple[dict[str, Any], int, int]] = {}
        cut_links: list[tuple[int, str]] = []
        frontier = [root]
        for hop in range(1, ask["hops"] + 1):
            rows = []
            for entity in frontier:
                for rid in sorted({fact["rid"] for fact in taken[entity][1]}):
                    for side, near, far in (("out", "src", "dst"), ("in", "dst", "src")):
                        found = [link for link in self.world["link"] if link[near] == rid]
                        found.sort(key=lambda link: (link["tx_from"], link["lid"]), reverse=True)
                        if len(found) > ask["cap"]:
                            cut_links.append((rid, side))
                        rows += [(link, self.group[link[far]][0]) for link in found[: ask["cap"]]]
            fresh = []
            for _, entity in rows:
                if entity not in taken and entity not in fresh and entity not in left_out:
                    fresh.append(entity)
            frontier = []
            for entity in fresh:
                card = self.facts_of(entity, (None, 5, 1)[hop])
                if len(taken) < ask["entities_max"]:
                    room -= len(card)
                if room < 0 or len(taken) >= ask["entities_max"]:
                    left_out.add(entity)
                    continue
                looked_at += card
                taken[entity] = (hop, card)
                frontier.append(entity)
            for link, entity in rows:
                if entity in taken and link["lid"] not in links:
                    links[link["lid"]] = (link, self.group[link["src"]][0], self.group[link["dst"]][0])
        return {
            "entities": [
                {
                    "id": f"e{entity}",
                    "hop": hop,
                    "type": self.type[facts[0]["pid"]],
                    "records": [self.record(rid) for rid in sorted({fact["rid"] for fact in facts})],
                }
                for entity, (hop, facts) in taken.items()
            ],
            "facts": [self.shown(fact, entity, looked_at) for entity, (_, facts) in taken.items() for fact in facts],
            "links": [self.link(*found) for found in links.values()],
            "cut": {
                "facts": max(0, len(all_facts) - ask["facts_max"]),
                "entities": len(left_out),
                "links": [{"record": self.record(rid), "side": side} for rid, side in cut_links],
            },
        }

    def facts_of(self, entity: int, each: int | None) -> list[dict[str, Any]]:
        result = []
        for rid in self.group[entity]:
            facts = [fact for fact in self.world["fact"] if fact["rid"] == rid]
            facts.sort(key=lambda fact: (fact["pid"], fact["tx_from"], fact["fid"]))
            result += facts[:each]
        return result

    def record(self, rid: int) -> str:
        row = next(row for row in self.world["record"] if row["rid"] == rid)
        dataset = next(known["name"] for known in self.world["dataset"] if known["did"] == row["did"])
        return f"{dataset}/{row['skey']}"

    def last_said(self, fact: dict[str, Any]) -> int:
        """A later row of the record that says the same is a version of its own, and writes the fact no second time."""
        moments: list[int] = [fact["observed"]]
        for row in self.world["version"]:
            if (
                row["rid"] == fact["rid"]
                and row["observed"] is not None
                and fact["valid_from"] <= row["observed"] < fact["valid_to"]
            ):
                moments.append(row["observed"])
        return max(moments)

    def shown(self, fact: dict[str, Any], entity: int, looked_at: list[dict[str, Any]]) -> dict[str, Any]:
        record = next(row for row in self.world["record"] if row["rid"] == fact["rid"])
        whole = [
            load
            for load in self.world["load"]
            if load["did"] == record["did"] and load["state"] == "ok" and load["tx"] < self.ask["as_of"]
        ]
        last = max((load["load"] for load in whole), default=-1)
        load = next(load for load in self.world["load"] if load["load"] == max(last, fact["load"]))
        by_observed = json.loads(load["data"]).get("by_observed", False)
        age = self.ask["now"] - (self.last_said(fact) if by_observed else load["started"])
        target = load["fresh_seconds"] if load["fresh_seconds"] >= 0 else None
        stale = None if target is None or age < -300 else age > target
        flags = [word for bit, word in WORDS.items() if fact["flags"] & bit]
        if any(row["did"] == record["did"] and row["skey"] == record["skey"] for row in self.world["quarantine"]):
            flags.append("quarantined")
        if any(
            other["pid"] == fact["pid"]
            and other["rid"] != fact["rid"]
            and other["rid"] in self.group[entity]
            and other["value"] != fact["value"]
            for other in looked_at
        ):
            flags.append("contradicted")
        if load["trust"] == "untrusted":
            flags.append("untrusted")
        return {
            "id": f"f{fact['fid']}",
            "entity": f"e{entity}",
            "record": self.record(fact["rid"]),
            "name": self.name[fact["pid"]],
            "value": json.loads(fact["value"]),
            "valid_from": fact["valid_from"],
            "valid_to": None if fact["valid_to"] == OPEN else fact["valid_to"],
            "observed": fact["observed"],
            "load": fact["load"],
            "age_seconds": age,
            "fresh_seconds": target,
            "stale": stale,
            "trust": load["trust"],
            "scope": next(row["name"] for row in self.world["scope"] if row["sc"] == fact["sc"]),
            "flags": flags,
        }

    def link(self, link: dict[str, Any], source: int, target: int) -> dict[str, Any]:
        return {
            "id": f"l{link['lid']}",
            "name": self.name[link["pid"]],
            "from": f"e{source}",
            "to": f"e{target}",
            "from_record": self.record(link["src"]),
            "to_record": self.record(link["dst"]),
            "valid_from": link["valid_from"],
            "valid_to": None if link["valid_to"] == OPEN else link["valid_to"],
            "observed": link["observed"],
            "load": link["load"],
            "scope": next(row["name"] for row in self.world["scope"] if row["sc"] == link["sc"]),
            "flags": [word for bit, word in WORDS.items() if link["flags"] & bit],
        }


def expected(tables: Tables, ask: dict[str, Any]) -> dict[str, Any] | None:
    """What a context of ``tables`` must be, without its ask and digest; None when nothing may be seen."""
    world = visible_world(tables, set(ask["scopes"]), ask["as_of"], ask["valid_at"])
    return PlainContext(world, ask).read()


def same(got: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a context is what the plain reader says."""
    return {name: got[name] for name in wanted} == wanted


def count_words(tables: Tables) -> Counter[str]:
    """How many rows there are in each table: to see that a world has what a test is about."""
    return Counter({name: len(rows) for name, rows in tables.items()})
