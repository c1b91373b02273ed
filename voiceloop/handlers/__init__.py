"""Handlers: each takes what the user said and produces the reply."""
