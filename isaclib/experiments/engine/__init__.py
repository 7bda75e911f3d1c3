"""What all figures share: sweeps, results with their provenance, claims, plots."""
