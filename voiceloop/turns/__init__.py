"""Turn-taking: who speaks when, and what a turn does."""
