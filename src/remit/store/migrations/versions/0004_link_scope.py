"""Links out of sight are passed over without being read, so that a hub full of them is no burden."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the two indexes of links anew, with the scope at their end."""
    _make("sc")


def downgrade() -> None:
    """Take the scope out again."""
    _make()


def _make(*also: str) -> None:
    for end in ("src", "dst"):
        op.drop_index(f"link_{end}", "link")
        op.create_index(f"link_{end}", "link", [end, "tx_from", "lid", *also])
