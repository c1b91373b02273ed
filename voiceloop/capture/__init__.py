"""Capture: from the microphone's blocks to frames, voice activity, and utterances."""
