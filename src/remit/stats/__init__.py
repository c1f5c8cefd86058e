"""WEIGHS. In: counts of outcomes, confidences and labels. Out: bounds, certificates, thresholds and alarms.

Pure functions and small states that never change in place, on the standard library alone: a rate is a float here,
and a whole number of basis points in the rooms above. The rooms that judge, show, try and promote call it.
"""
