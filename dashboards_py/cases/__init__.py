"""Stories for `promtool test rules`, one file a topic: `CASES`, by name of the alert.

Each tells of normal traffic, of what goes wrong and of its end; and of what comes close to it. The
numbers in the expected texts are worked out by hand from the series, at the default thresholds.
"""
