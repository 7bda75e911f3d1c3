"""The system of P4: an encoder of images, two channels, and a decoder for each task."""
