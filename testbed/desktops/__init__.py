"""Desktops to type into, and the windows on them."""
