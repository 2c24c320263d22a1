"""The commands of `llm-observatory`, one module each: what a person types and reads."""
