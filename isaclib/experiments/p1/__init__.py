"""What P1 ran, drew and claimed."""
