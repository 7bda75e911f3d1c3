"""What cannot be beaten: best receivers, best beams, best codes, error rates and bounds."""
