"""X11: windows, keys and selections."""
