"""Moonshine: small recognisers for one language each, run with ONNX Runtime."""
