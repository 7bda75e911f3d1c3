"""How far a task got: told by whoever works, shown by whoever runs it, unknown to each other.

Training code says ``report(step / steps)`` after each block. That does nothing unless somebody
listens, such as a sweep with a progress bar, so it costs nothing and needs no argument on its way
down. Code that works in stages gives each stage its share::

    for index, stage in enumerate(stages):
        with share(index / len(stages), (index + 1) / len(stages)):
            train(stage)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[float], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(fraction: float) -> None:
    """Say how much of the present task, or of the present share of it, is done.

    Args:
        fraction: Done part, from 0 to 1.
    """
    listener = _listener.get()
    if listener is not None:
        listener(min(max(fraction, 0.0), 1.0))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear what is reported in this thread while the block runs.

    Args:
        listener: Called with each fraction.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def share(low: float, high: float) -> Iterator[None]:
    """Let what is reported in the block, from 0 to 1, count as ``low`` to ``high`` outside it.

    Args:
        low: Done part of the whole at the block's beginning.
        high: Done part of the whole at its end, where the block gets there.
    """
    with listening(_scaled(_listener.get(), low, high)):
        yield
    report(high)


def _scaled(outer: Listener | None, low: float, high: float) -> Listener:
    def scaled(fraction: float) -> None:
        if outer is not None:
            outer(low + (high - low) * fraction)

    return scaled
