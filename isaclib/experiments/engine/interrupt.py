"""Ctrl-C and SIGTERM as one exception that says which exit status the process owes.

Lightning turns a KeyboardInterrupt during ``Trainer.fit`` into ``SystemExit(1)`` after tearing its
loops down, and answers SIGTERM with a SystemExit of its own at the end of a batch. It also calls a
SIGTERM handler that was there before its own. So both signals raise :class:`Interrupted` from our
handler, and whatever comes out of the interrupted code afterwards is turned back into it.

Our handler may also run inside an object's ``__del__``, such as that of Lightning's profiler, where
Python reports an exception and goes on. The signal is then sent again a moment later.

The exception may strike in the middle of a training step, so nothing must be saved on its way out:
a resumed run goes on from the last checkpoint that was written between two steps, exactly as after
a power cut.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SOON = 0.01
"""Seconds after which a signal that was lost is sent again."""


class Interrupted(KeyboardInterrupt):
    """The process was asked to stop by a signal: Ctrl-C, or SIGTERM."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum

    def __str__(self) -> str:
        """Return a short reason for a message."""
        return "interrupted" if self.signum == signal.SIGINT else "terminated"

    @property
    def exit_status(self) -> int:
        """Exit status by the shells' convention: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + self.signum


@contextmanager
def stop_signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into :class:`Interrupted` while the block runs.

    The handlers that were there before are restored afterwards. Outside the main thread, where
    Python cannot install handlers, the block runs as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def stop(signum: int, _frame: FrameType | None) -> None:
        received.append(signum)
        raise Interrupted(signum)

    def lost(unraisable: sys.UnraisableHookArgs) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            again.append(threading.Timer(_SOON, signal.pthread_kill, (main, received[0])))
            again[-1].start()
        else:
            report(unraisable)

    main, again = threading.get_ident(), list[threading.Timer]()
    report, sys.unraisablehook = sys.unraisablehook, lost
    before = {signum: signal.signal(signum, stop) for signum in _SIGNALS}
    try:
        yield
        if received:
            raise Interrupted(received[0])
    except BaseException as error:
        if received and not isinstance(error, Interrupted):
            raise Interrupted(received[0]) from error
        raise
    finally:
        for timer in again:
            timer.cancel()
        sys.unraisablehook = report
        for signum, handler in before.items():
            # None: a handler that was not installed from Python, which Python cannot put back.
            if handler is not None:
                signal.signal(signum, handler)
