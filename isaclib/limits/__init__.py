"""What cannot be beaten.

``angle`` and ``angle_delay`` have the best receivers of one beam, ``beams`` the best beams with a
certificate, ``codes`` the best sensing by a code; ``error_rates`` are closed forms of any beam, and
``cramer_rao`` the bounds for unbiased estimates.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
