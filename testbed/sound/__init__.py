"""Sound without a sound card: a private server with a virtual cable, and what to look for in recordings."""
