"""The part of TraceQL that is served: text in, a query of conditions out (docs/tempo.md)."""
