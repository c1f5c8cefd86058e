"""Is the action in the remit at all?"""

from __future__ import annotations

from remit.gate.matter import Matter, Opinion, one

__all__ = ["check_granted"]


def check_granted(matter: Matter) -> Opinion:
    """Deny what the manifest does not name."""
    if matter.grant is None:
        reason = f"the remit of {matter.manifest.agent} has no such action"
        return one("manifest", "deny", "not-granted", reason)
    return one("manifest", "allow", matter.grant.name, "the action is in the remit")
