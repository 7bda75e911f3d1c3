"""The system of P3, an array whose spacings are learned from labels or without.

``model`` is the array and its transceiver, ``schedule`` what is trained in which order,
``training`` the losses; ``calibration`` learns the spacings by maximum likelihood instead;
``measurement`` and ``constellation`` say how well it works.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
