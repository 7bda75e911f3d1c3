"""Learned integrated sensing and communication (ISAC): physics, estimators, systems, experiments.

Data flows one way: scenario -> transmitter -> channel -> receiver -> loss or metric. The modules
are imported one by one (``from isaclib import arrays, channels``); importing the package itself
has no side effects and loads none of them.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
