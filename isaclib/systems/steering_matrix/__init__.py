"""The model-driven system of P2: a trainable matrix of steering vectors, and its training."""
