"""The Pyroscope API: what Grafana's Pyroscope data source and Profiles Drilldown ask for.

messages.py   the messages, by field number        connect.py   the Connect protocol, unary
querier.py    the procedures                       render.py    GET /render and /render-diff
router.py     all of it below one prefix
"""
