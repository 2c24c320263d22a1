"""Flame graphs in the formats that others read; each carries the same totals.

Frame texts come from senders. Every encoding escapes them for its own format.
"""
