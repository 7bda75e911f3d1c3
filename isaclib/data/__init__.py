"""Images: ``cifar10`` downloads and checks CIFAR-10, ``synthetic`` draws a few from a seed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
