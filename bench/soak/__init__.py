"""Soak tests: an hour of conversation, and ten thousand requests with faults."""
