"""The ledger, its views, and what processes say of themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _table(name: str, *columns: sa.Column[object], **options: object) -> None:
    op.create_table(name, *columns, **options)  # type: ignore[arg-type]


key, text, whole, blob = sa.Text, sa.Text, sa.BigInteger, sa.LargeBinary


def upgrade() -> None:
    """Create all tables."""
    _ledger()
    _views()
    _beside()


def _ledger() -> None:
    _table(
        "head",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("size", whole, nullable=False),
        sa.Column("epoch", whole, nullable=False),
    )
    op.execute("insert into head (id, size, epoch) values (1, 0, 0)")
    _table(
        "event",
        sa.Column("seq", whole().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("at", text, nullable=False),
        sa.Column("actor", text, nullable=False),
        sa.Column("case_id", text, nullable=False),
        sa.Column("action", text, nullable=False),
        sa.Column("step", text, nullable=False),
        sa.Column("leaf", blob, nullable=False),
        sa.Column("body", text, nullable=False),
    )
    op.create_index(
        "event_step",
        "event",
        ["action", "step"],
        unique=True,
        sqlite_where=sa.text("step <> ''"),
        postgresql_where=sa.text("step <> ''"),
    )
    op.create_index(
        "event_case",
        "event",
        ["case_id", "seq"],
        sqlite_where=sa.text("case_id <> ''"),
        postgresql_where=sa.text("case_id <> ''"),
    )
    op.create_index(
        "event_kind",
        "event",
        ["kind", "seq"],
        sqlite_where=sa.text("action = ''"),
        postgresql_where=sa.text("action = ''"),
    )
    _table(
        "checkpoint",
        sa.Column("size", whole, primary_key=True, autoincrement=False),
        sa.Column("note", text, nullable=False),
        sa.Column("frontier", blob, nullable=False),
    )
    _table("tile", sa.Column("place", key, primary_key=True), sa.Column("hashes", blob, nullable=False))


def _views() -> None:
    # Folds of the events (ledger/views.py). Deleting and rebuilding them gives the same rows.
    _table("counter", sa.Column("key", key, primary_key=True), sa.Column("used", whole, nullable=False))
    _table("claim", sa.Column("entity", key, primary_key=True), sa.Column("action", text, nullable=False))
    _table("once", sa.Column("key", key, primary_key=True), sa.Column("action", text, nullable=False))
    _table(
        "open_effect",
        sa.Column("action", key, primary_key=True),
        sa.Column("state", text, nullable=False),
        sa.Column("process", text, nullable=False),
        sa.Column("data", text, nullable=False),
    )
    _table(
        "parked",
        sa.Column("action", key, primary_key=True),
        sa.Column("state", text, nullable=False),
        sa.Column("due_at", text, nullable=False),
        sa.Column("data", text, nullable=False),
    )
    op.create_index("parked_due", "parked", ["state", "due_at"])
    _table("ready", sa.Column("action", key, primary_key=True), sa.Column("since", whole, nullable=False))
    _table(
        "halt",
        sa.Column("id", key, primary_key=True),
        sa.Column("lifted", whole, nullable=False),
        sa.Column("data", text, nullable=False),
    )
    _table("confirmed", sa.Column("key", key, primary_key=True), sa.Column("data", text, nullable=False))
    _table(
        "document",
        sa.Column("name", key, primary_key=True),
        sa.Column("seq", whole, nullable=False),
        sa.Column("digest", text, nullable=False),
    )


def _beside() -> None:
    # Beside the chain: what can be erased, and what processes say of themselves.
    _table(
        "sealed",
        sa.Column("commitment", key, primary_key=True),
        sa.Column("subject", text, nullable=False),
        sa.Column("salt", blob, nullable=False),
        sa.Column("value", text, nullable=False),
    )
    op.create_index("sealed_subject", "sealed", ["subject"])
    _table(
        "process",
        sa.Column("id", key, primary_key=True),
        sa.Column("role", text, nullable=False),
        sa.Column("host", text, nullable=False),
        sa.Column("pid", whole, nullable=False),
        sa.Column("started", text, nullable=False),
        sa.Column("beat", text, nullable=False),
        sa.Column("epoch", whole, nullable=False),
    )
    _table("setting", sa.Column("name", key, primary_key=True), sa.Column("value", text, nullable=False))


def downgrade() -> None:
    """Nothing older exists."""
    raise NotImplementedError("0001 is the first schema")
