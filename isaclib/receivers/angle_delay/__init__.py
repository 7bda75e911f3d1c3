"""Detection and position from angle and delay, P3.

``ratio_test`` derives the detector; ``reference`` is Algorithm 1 step by step, as printed;
``search`` finds the same numbers without the whole map, with ``peak`` for the maximum and
``window`` for its surroundings.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
