"""ASKS. In: an action that needs people's word. Out: answers bound to exactly what was asked, each used once.

The run room asks and uses the answers; the faces show what waits and take what people say.
"""
