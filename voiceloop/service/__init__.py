"""What surrounds the loop: sockets, journals, traces."""
