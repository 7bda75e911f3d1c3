"""The reproduction: what each paper ran, drew and claimed, and the machinery for it.

``p1`` to ``p4`` and ``limits`` hold parameters, runs, drawings and criteria; ``engine`` what they
share; ``registry`` lists the figures, ``claims`` tests the claims on stored results.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
