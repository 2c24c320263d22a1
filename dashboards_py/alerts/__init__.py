"""Alert rules, one file a topic, each with `alerts(thresholds, site)`; the topic is a label."""
