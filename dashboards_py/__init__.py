"""Dashboards and alert rules as code; every metric name comes from `exporter.metrics.catalog`."""
