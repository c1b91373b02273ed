"""Simulated rooms: the whole program, in simulated time, with a microphone that hears its loudspeaker."""
