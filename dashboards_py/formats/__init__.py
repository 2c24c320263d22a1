"""The files that the alert pack is written as, one module a format."""
