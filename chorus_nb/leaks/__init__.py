"""The search of the verifier: what must not be found, how it may be written, and where it is looked for."""
