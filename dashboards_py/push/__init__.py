"""Bring dashboards, data sources, rules and contact points into a Grafana, and keep them there.

desired.py reads what is generated, kinds*.py know how Grafana keeps each kind of thing, plan.py
compares the two and applies the difference. Only what carries our mark is ever changed or deleted.
"""
