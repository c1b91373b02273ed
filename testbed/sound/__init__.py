"""Sound without a sound card: a private sound server with virtual cables, and functions that check recordings."""
