"""Measures when a turn ends, on recordings, without real time or devices."""
