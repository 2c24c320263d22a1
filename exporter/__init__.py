"""The LLM Observatory service: OTLP traces in, Prometheus metrics and ClickHouse rows out."""

__version__ = "0.1.0"
