"""KNOWS. In: rows of sources, each described by one file. Out: facts over two times, entities, contexts and receipts.

Whatever changes it is one event in the commit of its rows; the app's verbs call it, and the gate is handed its facts.
"""
