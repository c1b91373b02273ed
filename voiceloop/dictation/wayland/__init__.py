"""Wayland: virtual keyboards, clipboards, and the focus in sway."""
