"""JSON and CSV for everything that a dashboard shows."""
