"""Measures turn-taking at both ends of a virtual cable."""
