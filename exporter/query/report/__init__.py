"""A digest of a day or a week: what happened, what it cost, and what is unusual."""
