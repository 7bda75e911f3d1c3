"""Losses, building blocks of networks, and training on one simulated batch a step.

``training`` runs any Lightning module resumably, ``step_training`` is what the modules of all
systems have in common.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
