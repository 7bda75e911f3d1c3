"""What P2 ran, drew and claimed."""
