"""Stand in for model providers' HTTP APIs with answers and bills that a script dictates.

Unlike `exporter.demo`'s stand-in, nothing here is computed: each request takes the next turn of a
script, so a golden file's truth can be read off `scripts.py`. It shares no code with the product.
"""
