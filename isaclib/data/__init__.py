"""Images: CIFAR-10, and a small synthetic set made from a seed."""
