"""The Pyroscope API: what Grafana's Pyroscope data source and Profiles Drilldown ask for.

Requests (messages.py) arrive by the Connect protocol (connect.py), are read into questions
(asked.py) by a procedure (labels.py, flamegraphs.py, timelines.py, listed in querier.py), and are
answered by whoever has the methods of questions.py. render.py is the older way by URL.
"""
