"""REMEMBERS. In: events. Out: a tamper-evident order of them, views that are folds of it, and proofs for outsiders.

The run and oversight rooms append; evidence and the faces read; an auditor needs only `verify.py` and an export.
"""
