"""RAISES. In: tracks, terms, outcomes. Out: stages that rise by evidence and a signature, and fall by evidence alone.

Rules are pure; the warden applies them to the ledger; a certificate says on what a promotion rests, so that outsiders
can find the same numbers. The app wires it to the governed path.
"""
