"""A small shop full of LLM features, to see the observatory at work without an API key.

`providers` stands in for the model providers, `apps` are services built on the real SDKs and
instrumentations, and `run` starts all of them and shows what the observatory counted.
"""
