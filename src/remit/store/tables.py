"""The tables and their columns, as the statements name them. Their types stand in the migrations."""

from __future__ import annotations

from typing import Final

__all__ = ["TABLES"]

TABLES: Final = {
    "event": "seq,kind,at,actor,case_id,action,step,leaf,body",
    "checkpoint": "size,note,frontier",
    "tile": "place,hashes",
    "counter": "key,used",
    "claim": "entity,action",
    "once": "key,action",
    "open_effect": "action,state,process,data",
    "parked": "action,state,due_at,data",
    "ready": "action,since",
    "halt": "id,lifted,data",
    "confirmed": "key,data",
    "document": "name,seq,digest",
    "sealed": "commitment,subject,salt,value",
    "setting": "name,value",
}
"""Every table that is copied, its columns, the key first; what processes say of themselves is left out."""
