"""HTTP: services, their keys, errors and limits. `http.py` is the only module of the package that imports httpx."""
