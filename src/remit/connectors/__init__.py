"""TOUCHES the outside world: in comes a system's description, out go facts, records and effects done once.

`systems` loads and opens descriptions; `connector` says what every connector promises; `http`, `database` and
`files` keep the promise. Called by `run` (effects, facts) and `knowledge` (records); imports the ground only.
"""
