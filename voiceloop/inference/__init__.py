"""What the embedded engines share to run neural networks. Knows no speech."""
