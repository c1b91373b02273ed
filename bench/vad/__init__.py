"""The voice activity engines on speech with noise."""
