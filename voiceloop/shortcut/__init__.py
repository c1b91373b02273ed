"""A global shortcut of the desktop: hold to talk, tap to start and stop."""
