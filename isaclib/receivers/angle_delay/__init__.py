"""Algorithm 1 of P3: the angle-delay map, step by step as printed and without the whole map."""
