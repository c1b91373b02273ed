"""Voice activity detection: the engines."""
