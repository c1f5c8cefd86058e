"""Is the action the agent's own, and was it proposed under the manifest that stands now?"""

from __future__ import annotations

from remit.gate.matter import Matter, Opinion, one

__all__ = ["check_identity"]


def check_identity(matter: Matter) -> Opinion:
    """Deny an action of another agent, or of another version than the manifest's."""
    action, manifest = matter.action, matter.manifest
    if action.agent != manifest.agent:
        return one("identity", "deny", "agent", f"the action is not of agent {manifest.agent}")
    if action.version != manifest.version:
        reason = f"proposed under another version than {manifest.version}, which stands now"
        return one("identity", "deny", "version", reason)
    return one("identity", "allow", "version", f"agent {manifest.agent}, version {manifest.version}")
