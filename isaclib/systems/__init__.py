"""The papers' systems, one module a paper."""
