"""The system of P4: ``model``, its ``link`` through both channels, and ``training``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
