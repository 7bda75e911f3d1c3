"""The neural competitor of P2: networks that are told the sectors, and their training."""
