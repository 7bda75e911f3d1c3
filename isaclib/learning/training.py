r"""Training on simulated data: step indices in, weights out, resumable at any moment.

A run of ``steps`` steps is cut into blocks of :attr:`Schedule.block` steps, and a checkpoint is
written after each. As every step draws its samples from a generator of its own
(:func:`isaclib.signal.noise.step_generator`), repeating a block gives the same block: a run that
was killed, even by SIGKILL, ends in the same weights, bit for bit, on the same machine.
"""

import contextlib
import io
import logging
import math
import signal
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import LambdaCallback, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.plugins.io import TorchCheckpointIO

from isaclib._files import sha256_of_bytes, write_atomically
from isaclib._progress import report
from isaclib._validation import check_one_of, check_positive_int

CHECKPOINT = "last.ckpt"
LOG_EVERY = 50
"""Steps between two rows of the training log."""
STRIDE = 10
"""Steps that a module is given at once: what Lightning does about a step costs that much less."""


@dataclass(frozen=True)
class Schedule:
    """How long to train, and how often to write a checkpoint.

    Attributes:
        steps: Number of optimizer steps.
        block: Steps between two checkpoints; a killed run repeats at most so many.

    Raises:
        ValueError: If ``steps`` or ``block`` is not a positive integer.
    """

    steps: int
    block: int = 250

    def __post_init__(self) -> None:
        check_positive_int("steps", self.steps)
        check_positive_int("block", self.block)


class _NextSteps:
    """Indices of the steps that come next, read off the trainer when they are about to begin.

    A checkpoint restores the trainer's step together with weights and optimizer, so the samples
    always belong to the state that they train, wherever in a block Lightning goes on.
    """

    def __init__(self, trainer: Trainer, block: int) -> None:
        self.trainer, self.block = trainer, block

    def __len__(self) -> int:
        return math.ceil(self.block / STRIDE)

    def __iter__(self) -> Iterator[list[int]]:
        for taken in range(0, self.block, STRIDE):
            done = self.trainer.global_step
            count = min(STRIDE, self.block - taken, self.trainer.max_steps - done)
            yield list(range(done, done + count))


_TRAILER = b"\nSHA-256 of the above: %s\n"
_TRAILER_LENGTH = len(_TRAILER % bytes(64))


class _AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that are replaced as a whole, on any file system.

    Lightning's own are written in the system's temporary folder and moved; where that is another
    file system, the move is a copy, and a kill in the middle of it would cost the run.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint, or leave the one before."""
        stream = io.BytesIO()
        torch.save(checkpoint, stream)
        content = stream.getvalue()
        # torch does not mind what stands behind its archive.
        write_atomically(Path(path), content + _TRAILER % sha256_of_bytes(content).encode())


def _usable(checkpoint: Path) -> bool:
    """Whether a checkpoint is there and whole; one that is not is said to be, and begun without."""
    try:
        stored = checkpoint.read_bytes()
        content = stored[:-_TRAILER_LENGTH]
        if stored.endswith(_TRAILER % sha256_of_bytes(content).encode()):
            return True
        reason = "does not have its SHA-256"
        if not stored[-_TRAILER_LENGTH:].startswith(_TRAILER.partition(b"%s")[0]):
            # From an earlier version, whose checkpoints had none.
            torch.load(io.BytesIO(stored), weights_only=True)
            return True
    except FileNotFoundError:
        return False
    except Exception as error:  # whatever torch makes of a damaged or hostile file
        reason = f"cannot be read ({type(error).__name__})"
    print(
        f"isaclib: {checkpoint}: the checkpoint {reason}; the training begins again",
        file=sys.stderr,
        flush=True,
    )
    return False


@contextlib.contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice on hardware and data-loader workers out of the output."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
            warnings.filterwarnings("ignore", ".*GPU available but not used.*")
            # The loader reads the trainer's step: wherever it goes on, it is at the right one.
            warnings.filterwarnings("ignore", ".*resuming from a checkpoint that ended before.*")
            warnings.filterwarnings("ignore", ".*dirpath has changed.*")  # a run may be moved
            warnings.filterwarnings("ignore", ".*LeafSpec.*deprecated.*")
            yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _interruptible(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C through as ``KeyboardInterrupt``: Lightning turns it into exit status 1."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


def train(
    module: LightningModule, schedule: Schedule, directory: Path | str, *, device: str = "cpu"
) -> None:
    """Train a module, or go on where an earlier call in the same directory was stopped.

    What the module logs is in ``log/version_*/metrics.csv`` below ``directory``, a file a call.

    Args:
        module: What to train, in place, by manual optimisation. Its ``training_step`` is given
            the indices of the steps to take, at most :data:`STRIDE`.
        schedule: How long.
        directory: Folder for the checkpoint and the log, of this run alone.
        device: ``"cpu"`` or ``"cuda"``.

    Raises:
        ValueError: If ``device`` is neither.
    """
    accelerator = {"cpu": "cpu", "cuda": "gpu"}[check_one_of("device", device, ("cpu", "cuda"))]
    directory = Path(directory)
    latest = directory / CHECKPOINT
    callbacks: list[Callback] = [
        ModelCheckpoint(
            dirpath=directory,
            filename=CHECKPOINT.removesuffix(".ckpt"),
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
        # Tells a sweep's progress bar how far the training got, block by block.
        LambdaCallback(
            on_train_epoch_end=lambda trainer, _: report(trainer.global_step / trainer.max_steps)
        ),
    ]
    with _quiet_lightning():
        trainer = Trainer(
            accelerator=accelerator,
            devices=1,
            # Steps alone end the training: Lightning counts an empty epoch when it resumes.
            max_epochs=-1,
            max_steps=schedule.steps,
            plugins=[_AtomicCheckpoints()],
            callbacks=callbacks,
            # Rows are written by the module, step by step, and not once in a Lightning step.
            logger=CSVLogger(directory, name="log", flush_logs_every_n_steps=LOG_EVERY),
            log_every_n_steps=0,
            enable_model_summary=False,
            enable_progress_bar=False,
            num_sanity_val_steps=0,
        )
        with _interruptible(trainer):
            trainer.fit(
                module,
                _NextSteps(trainer, schedule.block),
                ckpt_path=latest if _usable(latest) else None,
                weights_only=True,
            )
