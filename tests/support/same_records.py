"""Comparison of JSON data, undefined values included."""

import json


def same(a, b):
    """Whether two records are equal."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
