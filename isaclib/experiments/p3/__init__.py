"""What P3 ran, drew and claimed."""
