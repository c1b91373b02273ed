"""From samples to the loudspeaker."""
