"""SHOWS. In: the ledger. Out: what the fleet does, what waits for people, what was spent.

Each view is a fold that can be deleted and rebuilt; the app's verbs and the faces call it.
"""
