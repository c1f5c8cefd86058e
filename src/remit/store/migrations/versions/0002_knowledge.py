"""Knowledge: records of sources, their facts and links over two times, entities, loads, quarantine, receipts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

key, text, whole, blob = sa.Text, sa.Text, sa.BigInteger, sa.LargeBinary


def _number(name: str) -> sa.Column[int]:
    """A number that is the row's place on SQLite, so that looking it up is free."""
    return sa.Column(name, whole().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False)


def _need(name: str, kind: type[sa.Text | sa.BigInteger | sa.LargeBinary], **options: object) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=False, **options)  # type: ignore[arg-type]


def upgrade() -> None:
    """Create all tables. ``tx_from`` and ``tx_to`` are ledger sequence numbers; open ends are 2**53 - 1."""
    _names()
    _loads()
    _graph()
    _beside()


def _names() -> None:
    op.create_table("scope", _number("sc"), _need("name", text, unique=True))
    op.create_table("dataset", _number("did"), _need("name", text, unique=True))
    op.create_table(
        "property", _number("pid"), _need("type", text), _need("name", text), sa.UniqueConstraint("type", "name")
    )


def _loads() -> None:
    op.create_table(
        "load",
        _number("load"),
        _need("did", whole),
        _need("mode", text),
        _need("state", text),  # running, ok, failed
        _need("started", whole),  # seconds since 1970, business time: the source was asked then
        _need("ended", whole),
        _need("fresh_seconds", whole),  # the target at the time of the load; -1 is none
        _need("trust", text),
        _need("spec", text),  # digest of the source's description
        _need("cursor", text),
        _need("data", text),  # counts, drift, notes: canonical JSON
        _need("tx", whole),  # of the event that ended it; of the one that began it while it runs
    )
    op.create_index("load_did", "load", ["did", "tx"])
    op.create_table(
        "quarantine",
        _number("qid"),
        _need("did", whole),
        _need("load", whole),
        _need("skey", text),
        _need("rule", text),
        _need("reason", text),
        _need("position", text),
        sa.Column("raw", text),  # None once erased
        _need("state", text),  # open, released, dropped, superseded, erased
        _need("why", text),
        _need("tx_from", whole),
        _need("tx_to", whole),
    )
    op.create_index("quarantine_key", "quarantine", ["did", "skey", "tx_to"])


def _graph() -> None:
    op.create_table(
        "record",
        _number("rid"),
        _need("did", whole),
        _need("skey", text),  # the row's key at its source; its commitment once erased
        _need("type", text),
        sa.Column("salt", blob),  # None once erased
        _need("kh", blob),  # commitment to the key
        sa.UniqueConstraint("did", "skey"),
    )
    op.create_table(
        "version",
        _need("rid", whole, primary_key=True, autoincrement=False),
        _need("tx_from", whole, primary_key=True, autoincrement=False),
        _need("tx_to", whole),
        _need("load", whole),
        _need("hash", blob),
        sa.Column("observed", whole),  # seconds since 1970: when the row says it was so; None: it does not
    )
    op.create_table(
        "member",
        _need("rid", whole, primary_key=True, autoincrement=False),
        _need("tx_from", whole, primary_key=True, autoincrement=False),
        _need("tx_to", whole),
        _need("eid", whole),
        _need("how", text),
        _need("score_bp", whole),
    )
    op.create_index("member_eid", "member", ["eid", "rid", "tx_from", "tx_to"])
    op.create_table(
        "fact",
        _number("fid"),
        _need("rid", whole),
        _need("pid", whole),
        sa.Column("value", text),  # canonical JSON; None once erased
        _need("valid_from", whole),  # seconds since 1970
        _need("valid_to", whole),
        _need("observed", whole),
        _need("tx_from", whole),
        _need("tx_to", whole),
        _need("load", whole),
        _need("sc", whole),
        _need("flags", whole),
        _need("vh", blob),  # commitment to the value
    )
    op.create_index("fact_rid", "fact", ["rid", "pid", "tx_from"])
    op.create_table(
        "link",
        _number("lid"),
        _need("src", whole),
        _need("pid", whole),
        _need("dst", whole),
        _need("valid_from", whole),
        _need("valid_to", whole),
        _need("observed", whole),
        _need("tx_from", whole),
        _need("tx_to", whole),
        _need("load", whole),
        _need("sc", whole),
        _need("flags", whole),
    )
    op.create_index("link_src", "link", ["src", "tx_from", "lid"])
    op.create_index("link_dst", "link", ["dst", "tx_from", "lid"])


def _beside() -> None:
    op.create_table(
        "blocking",
        _need("rule", whole, primary_key=True, autoincrement=False),
        _need("key", text, primary_key=True),
        _need("rid", whole, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "arrival",
        _need("source", text, primary_key=True),
        _need("id", text, primary_key=True),
        _need("place", whole),  # order of arrival
        _need("at", whole),
        sa.Column("body", text),
        _need("load", whole),  # the load that took it; -1 before
    )
    op.create_index("arrival_open", "arrival", ["source", "load", "place"])
    op.create_table("erased_key", sa.Column("hash", key, primary_key=True))
    op.create_table("receipt", sa.Column("digest", key, primary_key=True), _need("seq", whole))


def downgrade() -> None:
    """Take the knowledge away; the ledger stays."""
    for name in (
        "receipt", "erased_key", "arrival", "blocking", "link", "fact", "member", "version", "record", "quarantine",
        "load", "property", "dataset", "scope",
    ):  # fmt: skip
        op.drop_table(name)
