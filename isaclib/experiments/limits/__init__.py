"""Limits beside the figures of P1, P2 and P3: what no receiver, and no beam, can beat."""
