"""How far a task got: told by whoever works, shown by whoever runs it, unknown to each other.

Training code says ``report(step / steps)`` after each block. That does nothing unless somebody
listens, such as a sweep with a progress bar, so it costs nothing and needs no argument on its way
down. Code that works in stages gives each stage its share::

    for index, stage in enumerate(stages):
        with span(index / len(stages), (index + 1) / len(stages)):
            train(stage)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[float], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(fraction: float) -> None:
    """Say how much of the present task, or of the present part of it, is done: 0 to 1."""
    listener = _listener.get()
    if listener is not None:
        listener(min(max(fraction, 0.0), 1.0))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call the listener with what is reported in this thread while the block runs."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def span(low: float, high: float) -> Iterator[None]:
    """Let what is reported in the block, from 0 to 1, count as ``low`` to ``high`` outside it."""
    outer = _listener.get()

    def scaled(fraction: float) -> None:
        if outer is not None:
            outer(low + (high - low) * fraction)

    with listening(scaled):
        yield
    report(high)
