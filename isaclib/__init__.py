"""Learned integrated sensing and communication (ISAC): physics, estimators, systems, experiments.

Data flows one way: scenario -> transmitter -> channel -> receiver -> loss or metric. So do imports:

- :mod:`isaclib.signal`: what is sent, and by which array
- :mod:`isaclib.channels`: what happens on the way
- :mod:`isaclib.receivers`: what is made of it
- :mod:`isaclib.limits`: what cannot be beaten
- :mod:`isaclib.learning`: losses and training
- :mod:`isaclib.systems`: the systems of the four papers
- :mod:`isaclib.data`, :mod:`isaclib.metrics`: images, and how well anything works
- :mod:`isaclib.comparison`: whether one system is better than another beyond chance
- :mod:`isaclib.experiments`: the reproduction, what each paper ran, drew and claimed

Importing the package has no side effects and loads none of them.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
