"""How late live captions are, and what of them is replaced."""
