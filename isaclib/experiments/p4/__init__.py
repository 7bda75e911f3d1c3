"""What P4 ran, drew and claimed."""
