"""One file a search strategy; each is found by name through the registry."""
