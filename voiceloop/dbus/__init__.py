"""The message bus of the user's desktop session (D-Bus)."""
