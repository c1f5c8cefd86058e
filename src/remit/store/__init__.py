"""KEEPS. In: statements and rows. Out: transactions that hold, on SQLite (one file) or PostgreSQL (by URL).

The ledger, oversight, run and evidence rooms call it; nobody else speaks SQL to a driver.
"""
