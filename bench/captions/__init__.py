"""Measures live captions: how late words are shown, how many change later and how many are lost."""
