"""Kills and signals at random moments: what is lost, told twice, or left over."""
