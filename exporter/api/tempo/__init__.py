"""Tempo's HTTP API, as far as Grafana's Tempo data source and its users call it (docs/tempo.md)."""
