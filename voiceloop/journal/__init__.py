"""What was said, on disk until it is delivered."""
