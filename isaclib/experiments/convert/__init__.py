"""Stored results of schema 1, whose curves had names, as rows with coordinates.

``documents`` converts a file; each paper's module says what its names meant. Names are parsed here
and nowhere else, and once: ``isaclib results convert`` leaves a result that needs it no more.
"""
