"""Transport: bytes from a sender to the pipeline, and its answer back. No meaning."""
