"""Spans in columns: the schema, the decoder and the rows made of them."""
