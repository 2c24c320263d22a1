"""Who owns the usage: each call once, whoever reports it, in whatever order it arrives."""
