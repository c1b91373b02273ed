"""Measures the embedded engines: what the recognisers hear wrong, how long all engines take, and what they cost."""
