"""SPEAKS. In: what people type and other programs send. Out: words, tables and JSON, exit codes and HTTP answers.

Every face calls the verbs of `app`; none holds a rule. `cli` is the command, `api` the first HTTP interface.
"""
