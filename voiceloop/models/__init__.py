"""The catalogue of models that can be fetched, and the offer of a larger one. Pure."""
