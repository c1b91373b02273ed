"""Endpointing: how long a pause must last before it ends a turn."""
