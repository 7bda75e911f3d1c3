"""The papers' systems: model, training, measurement.

``autoencoder`` is P1's, ``steering_matrix`` and ``sector_networks`` are P2's, ``spacings`` P3's and
``semantic`` P4's. ``transceiver`` says what they look like from outside and measures them;
``limit_measurement`` measures what no receiver of theirs can beat.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
