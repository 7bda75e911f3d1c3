"""What is made of what comes back.

``ratio_test`` has the MAP ratio test (MAPRT) of P1 and thresholds at a fixed P_fa; ``softmax`` the
differentiable estimator of P2; ``angle_delay`` the tests and estimators of P3;
``spacing_likelihood`` element positions by maximum likelihood; ``linear_codes`` what a linear
transmission of images reaches.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
