"""Where each row of a stored result of P1, P2 or P3 was measured: array and scene."""

from dataclasses import dataclass

from isaclib.experiments.p1 import config as p1_config
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p2 import config as p2_config
from isaclib.experiments.p3 import scenario as p3_scenario
from isaclib.limits.error_rates import BeamCriteria, known_place_level
from isaclib.signal.noise import gain_variance
from isaclib.signal.spacings import spacing_positions

SCENARIOS = {"p1": p1_config.Scenario, "p2": p2_config.Scenario, "p3": p3_scenario.Scenario}


@dataclass(frozen=True)
class Place:
    """What tells arrays and scenes apart.

    ``array`` is None for elements half a wavelength apart, the index of a draw for P3, and else
    the reading of the impairments, their standard deviation and the index of a draw.
    """

    paper: str
    scenario: tuple
    array: tuple | int | None
    seed: int

    def criteria(self):
        """What no receiver there beats with any beam, as it knew the target's place."""
        scenario = SCENARIOS[self.paper](**dict(self.scenario))
        if self.paper == "p3":
            # Its SNR is that of all antennas.
            positions = spacing_positions(scenario.spacings(self.array, self.seed))
            antennas = 1
        else:
            impairment = None if self.array is None else Impairment(*self.array)
            positions = scenario.positions(impairment, self.seed)
            antennas = scenario.num_antennas
        return BeamCriteria(
            positions,
            scenario.target_sector,
            scenario.receiver_sector,
            antennas * gain_variance(scenario.snr_r_db),
            gain_variance(scenario.snr_c_db),
            known_place_level(scenario.p_fa),
        )


def places(result):
    """Place of every row of a result."""
    config, coordinates = result.config, result.rows.coordinates
    found = []
    for index in range(len(result.rows)):
        at = {name: column[index] for name, column in coordinates.items()}
        data = dict(config["scenario"])
        if at.get("sector") == "unseen":
            data["target_sector_deg"] = config["unseen_sector_deg"]
        scenario = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in data.items())
        paper, array = result.figure[:2], at.get("array")
        if paper == "p3":
            array = array or 0
        elif array is not None:
            std = at.get("std_wavelengths") or config["std_wavelengths"]
            array = (at.get("model") or config["model"], std, array)
        found.append(Place(paper, scenario, array, result.provenance.seed))
    return found
