"""Recordings of any kind and length, from files and pipes, as samples for the loop."""
