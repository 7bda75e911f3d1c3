"""Losses, building blocks of networks, and training on one simulated batch a step."""
