"""The system of P3: an array whose spacings are learned, with or without labels."""
