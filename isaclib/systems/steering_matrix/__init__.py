"""The model-driven system of P2, a trainable matrix: ``model`` and ``training``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
