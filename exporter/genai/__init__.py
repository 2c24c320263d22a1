"""What a call to a model is, whatever convention reported it, and what it cost."""
