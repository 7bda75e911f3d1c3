"""What is sent, and by which array.

``noise`` has samples, decibels and step-indexed generators; ``arrays`` steering vectors,
``spacings`` their impairments, ``sectors`` where a target can be; ``modulation`` symbols, ``ofdm``
subcarriers and delays, ``subspace`` small bases for both; ``beamforming`` beams by least squares.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
