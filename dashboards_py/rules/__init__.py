"""Recording rules, one file a topic, each with `groups(thresholds)`."""
