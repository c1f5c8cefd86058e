"""Earned autonomy: what each version has earned, the cases that are its evidence, and the reviews that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

key, text, whole = sa.Text, sa.Text, sa.BigInteger


def _need(name: str, kind: type[sa.Text | sa.BigInteger | sa.LargeBinary], **options: object) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=False, **options)  # type: ignore[arg-type]


def upgrade() -> None:
    """Create the views ``earned`` and ``review``, and the tables of the evidence fold."""
    op.create_table("earned", sa.Column("key", key, primary_key=True), _need("data", text))
    op.create_table("track", sa.Column("key", key, primary_key=True), _need("data", text))
    op.create_table("review", sa.Column("action", key, primary_key=True), _need("state", text), _need("data", text))
    op.create_index("review_state", "review", ["state"])
    op.create_table(
        "case_record",
        sa.Column("id", key, primary_key=True),  # digest of agent, version, action name and case
        _need("track", text),  # agent/version/action/class
        _need("case_id", text),
        _need("seq", whole),  # of its first decision
        _need("matures", whole),  # seconds since 1970: a label counts from then; 2**53 - 1 while nothing is done
        _need("deadline", whole),  # seconds since 1970: without a label it counts as wrong from then
        _need("state", text),  # open, right, wrong, missing
        _need("data", text),
    )
    op.create_index("case_record_due", "case_record", ["state", "matures"])
    op.create_index("case_record_track", "case_record", ["track", "seq"])
    op.create_index("case_record_case", "case_record", ["case_id"])


def downgrade() -> None:
    """Take what was earned away; the ledger stays."""
    for name in ("case_record", "review", "track", "earned"):
        op.drop_table(name)
