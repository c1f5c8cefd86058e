"""DOES. In: a proposed action. Out: its recorded end, done at most once, whatever breaks between.

The app's verbs call `propose`; `worker` carries on what was approved, interrupted or left behind. Only this room waits,
retries and touches systems.
"""
