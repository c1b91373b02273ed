"""Playback: from samples to the loudspeaker."""
