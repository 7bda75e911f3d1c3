"""Where each point of a stored result of P1, P2 or P3 was measured: array and scene."""

from dataclasses import dataclass

from isaclib.experiments.p1 import config as p1_config
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p2 import config as p2_config
from isaclib.experiments.p2.runs import UNSEEN
from isaclib.experiments.p3 import scenario as p3_scenario
from isaclib.limits.error_rates import BeamCriteria, known_place_level
from isaclib.signal.noise import gain_variance
from isaclib.signal.spacings import spacing_positions

SCENARIOS = {"p1": p1_config.Scenario, "p2": p2_config.Scenario, "p3": p3_scenario.Scenario}

# Figures of one array: half a wavelength between elements, or the first of P3; and those of P3 in
# which names end in the index of a draw.
NOMINAL = {"p1-fig2", "p1-maprt", "p1-sequential", "p2-fig3"}
FIRST_ARRAY = {"p3-constellation"}
SPACINGS = {"p3-fig3", "p3-fig4", "p3-fig5", "p3-learning"}


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


def places(result, series):
    """Place of every point of a series; ValueError if its name does not tell."""
    config, paper = result.config, result.figure[:2]
    data = dict(config["scenario"])
    name = series.name
    if result.figure == "p2-fig5" or name.endswith(UNSEEN):
        data["target_sector_deg"] = config["unseen_sector_deg"]
        name = name.removesuffix(UNSEEN)
    scenario = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in data.items())
    arrays = _arrays(result.figure, config, name, series)
    return [Place(paper, scenario, array, result.provenance.seed) for array in arrays]


def _arrays(figure, config, name, series):
    """Array of every point of a series."""
    parts, std = name.split("/"), config.get("std_wavelengths")
    draws = [int(part) for part in parts if part.isdecimal()]
    if figure in NOMINAL or name == "nominal":
        arrays = None
    elif figure == "p1-penalty":
        (std,) = (s for s in config["stds_wavelengths"] if f"{s:.4f}" == parts[1])
        arrays = [(parts[0], std, int(draw)) for draw in series["draw"].values]
    elif figure == "p2-readings":
        arrays = [(parts[1], std, int(draw)) for draw in series["draw"].values]
    elif figure == "p1-fig5":
        arrays = (parts[1], std, *draws)
    elif figure in {"p2-fig4", "p2-fig5"}:
        arrays = (config["model"], std, *draws)
    elif figure in FIRST_ARRAY:
        arrays = 0
    elif figure in SPACINGS:
        (arrays,) = draws
    else:
        raise ValueError(f"figure must be one whose arrays are known, got {figure!r}")
    return arrays if isinstance(arrays, list) else [arrays] * len(series)
