"""Turn-taking: when the user or the loop speaks, and what a turn does."""
