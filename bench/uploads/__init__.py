"""The benchmark of uploads: how long after speech the last byte of a clip leaves, on a home's uplink."""
