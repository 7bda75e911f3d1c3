"""Functions that the sweep tests run in this process and in workers, which import them by name."""

import os
import time
from pathlib import Path

from isaclib._progress import report, share


def square(payload, directory):
    """Square a number; every call leaves a line in the task's folder."""
    with (directory / "calls").open("a") as stream:
        stream.write(f"{os.getpid()}\n")
    if payload.get("wait"):
        wait_for(Path(payload["wait"]))
    if payload.get("fail"):
        raise ValueError(payload["fail"])
    return {"square": payload["x"] ** 2, "pair": (1, 2), "undefined": float("nan")}


def in_two_stages(payload, directory):
    """Report the progress of two stages of two steps each."""
    for stage in range(2):
        with share(stage / 2, (stage + 1) / 2):
            for step in range(2):
                report((step + 1) / 2)
    return {}


def simulate(payload, directory):
    """Draw a seeded random matrix product, whose last bits would show any difference."""
    import torch

    generator = torch.Generator().manual_seed(payload["seed"])
    torch.set_num_threads(1)
    noise = torch.randn(64, 64, generator=generator)
    return {"sum": float((noise @ noise).sum()), "first": noise[0, :4].tolist()}


def threads(payload, directory):
    """Report the threads that PyTorch would use, and the process."""
    import torch

    return {"threads": torch.get_num_threads(), "pid": os.getpid()}


def listening(payload, directory):
    """Report the addresses that this worker and the processes around it listen at."""
    import psutil

    parent = psutil.Process(os.getpid()).parent()
    family = [parent, *parent.children(recursive=True)]
    found = [one for process in family for one in process.net_connections()]
    return {"hosts": sorted({one.laddr.ip for one in found if one.status == "LISTEN"})}


def not_a_dict(payload, directory):
    """Return what is not allowed."""
    return [1]


def not_json(payload, directory):
    """Return what cannot be stored."""
    return {"path": directory}


def die(payload, directory):
    """End the worker process at once, as the system does when memory runs out."""
    os._exit(1)


def wait_for(path):
    """Wait until a file is there."""
    deadline = time.monotonic() + 120
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def wait_for_any(folder, pattern):
    """Wait until a file of this pattern is in the folder."""
    deadline = time.monotonic() + 120
    while not any(folder.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.02)
