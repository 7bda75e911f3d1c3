"""What happens on the way: echoes of targets, and channels to a receiver."""
