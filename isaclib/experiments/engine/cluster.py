"""The Dask side of a sweep; needs the ``cluster`` extra."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster, as_completed

from isaclib.experiments.engine.cache import Cache, Record, execute
from isaclib.experiments.engine.tasks import Task, held_by, key_of

CONNECT_TIMEOUT = "10s"
KEPT_BYTES = 2**30
"""Memory that a worker keeps for its next buffers before it gives any back to the system."""


def completed(
    tasks: Mapping[str, Task], cache: Cache, workers: int, scheduler: str | None
) -> Generator[tuple[str, Record | BaseException], None, None]:
    """Run tasks on a cluster and yield each one's key with its record, or exception, as it ends.

    Tasks come after those that they hold. Leaving the iteration early, by an exception or a signal,
    cancels what is left and closes the embedded cluster, which ends its processes. Workers of an
    existing scheduler finish what they are at, because a thread cannot be stopped from outside.
    """
    threads = None if scheduler else max(1, (os.cpu_count() or 1) // workers)
    with _client(workers, scheduler) as client:
        run = uuid.uuid4().hex  # a scheduler must not answer from the memory of another run
        submitted: dict[str, Any] = {}
        for key, task in tasks.items():
            before = [submitted[k] for k in map(key_of, held_by(task)) if k in submitted]
            arguments = (task, cache, threads, before)
            submitted[key] = client.submit(_call, *arguments, key=f"{key}-{run}", pure=False)
        keys = {future: key for key, future in submitted.items()}
        try:
            for future in as_completed(keys, loop=client.loop):
                error = future.exception() if future.status != "cancelled" else None
                if future.status == "cancelled":
                    error = RuntimeError("the cluster cancelled it")
                yield keys[future], future.result() if error is None else error
        finally:
            client.cancel(list(keys), force=True)


def _call(task: Task, cache: Cache, threads: int | None, _before: object) -> Record:
    """Run a task in a worker, with its share of the processor's cores, after those it needs."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return execute(task, cache)


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Client]:
    """Connect to an existing scheduler, or start a cluster that only this machine can reach."""
    settings = {
        # A training step holds the interpreter for long; that is no reason for alarm.
        "distributed.admin.tick.limit": "10m",
        "distributed.comm.timeouts.connect": "20s",
        # Dask has its workers give every freed buffer back to the system at once (65536): a
        # training step then spends a third of its time on page faults.
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
        "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": KEPT_BYTES,
        "distributed.nanny.pre-spawn-environ.MALLOC_ARENA_MAX": 1,
    }
    with dask.config.set(settings):
        if scheduler is not None:
            with _connect(scheduler) as client:
                _advise(client, scheduler)
                yield client
            return
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                # No dashboard; its server is there all the same, and None would claim port 8787.
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def _connect(scheduler: str) -> Client:
    """Connect to an existing scheduler, or raise OSError with its address."""
    try:
        return Client(scheduler, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OSError(
            f"scheduler must be the address of a running Dask scheduler, such as "
            f"'tcp://10.0.0.1:8786', got {scheduler!r}: {error}"
        ) from error


def _advise(client: Client, scheduler: str) -> None:
    """Say what a user of an existing scheduler should know about its workers."""
    threads = [worker["nthreads"] for worker in client.scheduler_info()["workers"].values()]
    if not threads:
        print(f"isaclib: {scheduler} has no workers yet; waiting for one", file=sys.stderr)
    elif max(threads) > 1:
        print(
            f"isaclib: a worker of {scheduler} has {max(threads)} threads; tasks that train do so "
            "best in processes of their own (dask worker --nthreads 1)",
            file=sys.stderr,
        )
