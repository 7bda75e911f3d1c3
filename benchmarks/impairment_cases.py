"""Steps of P3's training in four cases, on demand, for a comparison of two versions of isaclib.

:mod:`impairment_step` runs this file once for each version, the one on the import path, and asks
for steps in turn: both versions then meet the same state of the machine. It uses nothing that
versions may differ in.

Reads lines ``CASE INDEX`` and answers each with a line of JSON.
"""

import json
import resource
import sys
import time

import torch

from isaclib.channels.ofdm import OfdmRadarChannel
from isaclib.receivers.angle_delay import reference as angle_delay
from isaclib.receivers.angle_delay.search import MapSearch
from isaclib.signal.arrays import Sector
from isaclib.signal.noise import step_generator
from isaclib.signal.ofdm import RangeSector, Subcarriers, delay_basis
from isaclib.signal.spacings import draw_spacings, spacing_positions
from isaclib.systems.spacings.model import SpacingArray
from isaclib.systems.spacings.schedule import Stage
from isaclib.systems.spacings.training import Scene, batch_loss

ANTENNAS, SUBCARRIERS, RANGES = 64, Subcarriers(), RangeSector()
SPACING = draw_spacings(ANTENNAS, 1 / 25, generator=step_generator(0, "impairment", 0))
RADAR = OfdmRadarChannel(
    spacing_positions(SPACING), Sector(-40, -20), RANGES, SUBCARRIERS, snr_db=15.0
)
GRID = angle_delay.training_grid(ANTENNAS, SUBCARRIERS, RANGES)
SCENE = Scene(RADAR, GRID, delay_basis(SUBCARRIERS, RANGES))


class Case:
    """Training steps with one loss, at the true or the nominal array.

    Args:
        name: ``"LOSS, ARRAY, batch of BATCH"``.
    """

    def __init__(self, name: str) -> None:
        loss, array, batch = name.split(", ")
        p_present = 1.0 if loss == "supervised" else 0.5
        self.stage = Stage(loss, 1, p_present=p_present, batch=int(batch.split()[-1]))
        self.model = SpacingArray(ANTENNAS)
        if array == "known array":
            self.model.set_spacing(SPACING)
        self.search = MapSearch(GRID, SCENE.basis)

    def __call__(self, index: int) -> float:
        """Processor time of a step [microseconds a sample]."""
        generator = step_generator(0, "cases", index)
        start = time.process_time()
        loss = batch_loss(self.model, SCENE, self.stage, generator, search=self.search)
        self.model.values.grad = None
        loss.backward()
        return 1e6 * (time.process_time() - start) / self.stage.batch


def main() -> None:
    """Answer requests for steps."""
    torch.set_num_threads(1)
    cases: dict[str, Case] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for line in sys.stdin:
        name, index = line.strip().rsplit(" ", 1)
        if name not in cases:
            cases[name] = Case(name)
        spent = cases[name](int(index))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = {"us": spent, "memory_mib": round((peak - before) / 1024, 1)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
