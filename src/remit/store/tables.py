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
    "scope": "sc,name",
    "dataset": "did,name",
    "property": "pid,type,name",
    "load": "load,did,mode,state,started,ended,fresh_seconds,trust,spec,cursor,data,tx",
    "quarantine": "qid,did,load,skey,rule,reason,position,raw,state,why,tx_from,tx_to",
    "record": "rid,did,skey,type,salt,kh",
    "version": "rid,tx_from,tx_to,load,hash,observed",
    "member": "rid,tx_from,tx_to,eid,how,score_bp",
    "fact": "fid,rid,pid,value,valid_from,valid_to,observed,tx_from,tx_to,load,sc,flags,vh",
    "link": "lid,src,pid,dst,valid_from,valid_to,observed,tx_from,tx_to,load,sc,flags",
    "blocking": "rule,key,rid",
    "arrival": "source,id,place,at,body,load",
    "erased_key": "hash",
    "receipt": "digest,seq",
    "earned": "key,data",
    "track": "key,data",
    "review": "action,state,data",
    "case_record": "id,track,case_id,seq,matures,deadline,state,data",
}
"""Every table that is copied, its columns, the key first; what processes say of themselves is left out."""
