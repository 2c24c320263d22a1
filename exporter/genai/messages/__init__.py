"""Prompts, answers, tools and system instructions of every convention, in one message form."""
