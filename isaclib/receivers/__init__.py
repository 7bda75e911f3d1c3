"""What is made of an echo: tests for a target, estimates of its place, linear codes."""
