"""The end-to-end autoencoder of P1 and its training."""
