"""Echo: the canceller, and how a copy of the own voice is told from a user."""
