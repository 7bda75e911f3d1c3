"""Beams of the stored systems of P1, P2 and P3, from their weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from isaclib.experiments.engine.results import Result as StoredRows
from isaclib.experiments.engine.tables import Table
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p1.figures import FIG2
from isaclib.experiments.p1.tasks import baseline_transceiver
from isaclib.experiments.p2.config import Scenario as P2Scenario
from isaclib.experiments.p3.scenario import Scenario as P3Scenario
from isaclib.experiments.series.assembly import with_tuples
from isaclib.experiments.series.results import Quantity, Result, Series
from isaclib.learning.networks import load_parameters
from isaclib.signal.modulation import qam
from isaclib.systems.sector_networks.model import SectorAutoencoder, SectorTransceiver
from isaclib.systems.steering_matrix.model import ModelDriven, ModelDrivenTransceiver
from isaclib.systems.transceiver import Transceiver

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class System:
    """A stored system at one point of its curve.

    Attributes:
        name: Name of its series.
        index: Which point of the series.
        parameter: Value of what is swept.
        beam: ``[antennas]``, complex. Its beam.
        symbols: ``[order]``, complex. Its constellation.
    """

    name: str
    index: int
    parameter: float
    beam: torch.Tensor
    symbols: torch.Tensor


def at_point(name: str, index: int, parameter: float, transceiver: Transceiver) -> System:
    """The system that a transceiver is."""
    with torch.no_grad():
        return System(name, index, parameter, transceiver.beam(), transceiver.constellation())


def state(weights: Weights, prefix: str) -> dict[str, torch.Tensor]:
    """Weights of one module in a file of many."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def p1_rows(fig2: StoredRows) -> dict[str, Table]:
    """Rows of P1 Fig. 2 by the names of their series: the baseline, and the first autoencoders."""
    learned = fig2.where(system="autoencoder", unit="deg", repetition=0, receivers="learned")
    return {"baseline": fig2.where(system="baseline"), "autoencoder/deg/0": learned}


def p1_systems(fig2: StoredRows) -> list[System]:
    """Systems of P1 Fig. 2: the baseline at the phase zero, and the first autoencoders."""
    config = FIG2.config(fig2)
    scenario, positions = config.scenario, config.scenario.nominal_positions()
    baseline, learned = p1_rows(fig2).values()
    found = []
    for index, rho in enumerate(baseline["rho"].values):
        if baseline["phase"].values[index] == 0:
            transceiver = baseline_transceiver(scenario, positions, rho, 0.0, config.grid_size)
            found.append(at_point("baseline", index, rho, transceiver))
    for index, omega in enumerate(learned["omega_r"].values):
        model = scenario.autoencoder(seed=0)
        load_parameters(model, fig2.tensors(unit="deg", repetition=0, omega_r=omega))
        found.append(at_point("autoencoder/deg/0", index, omega, model))
    return found


def p2_scenario(stored: Result, *, unseen: bool = False) -> P2Scenario:
    """Scenario of P2 Fig. 4, or of Fig. 5."""
    scenario = P2Scenario(**with_tuples(stored.config["scenario"]))
    return scenario.towards(tuple(stored.config["unseen_sector_deg"])) if unseen else scenario


def p2_positions(stored: Result, draw: int) -> torch.Tensor:
    """Element positions of an array of P2 Fig. 4."""
    impairment = Impairment(stored.config["model"], stored.config["std_wavelengths"], draw)
    return p2_scenario(stored).positions(impairment, stored.provenance.seed)


def p2_systems(
    stored: Result, weights: Weights, draw: int, *, unseen: bool = False
) -> list[System]:
    """Systems of P2 Figs. 4 and 5 for one array, all whose weights are stored."""
    scenario = p2_scenario(stored, unseen=unseen)
    true = p2_positions(stored, draw)
    end = "/unseen" if unseen else ""
    found = []
    for name, assumed in (("known", true), ("unknown", scenario.nominal_positions())):
        series = stored[f"baseline/{name}/{draw}{end}"]
        for index, rho in enumerate(series["rho"].values):
            point = baseline_transceiver(scenario, assumed, rho, 0.0, stored.config["grid_size"])
            found.append(at_point(f"baseline/{name}/{draw}", index, rho, point))
    for size in ("unlimited", "limited"):
        for kind in ("model-driven", "networks"):
            name = f"{kind}/{size}/{draw}"
            if any(key.startswith(f"{name}/") for key in weights):
                found += _learned(stored[name + end], name, stored, weights, scenario)
    return found


def _learned(
    series: Series, name: str, stored: Result, weights: Weights, scenario: P2Scenario
) -> list[System]:
    """A learned system of P2 at all its points."""
    kind, size, _ = name.split("/")
    matrix, networks = stored.config[size]
    sectors = (scenario.target_sector, scenario.receiver_sector)
    found = []
    for index, omega in enumerate(series["omega_r"].values):
        if kind == "model-driven":
            steering = ModelDriven(scenario.num_antennas, matrix["grid_size"])
            load_parameters(steering, state(weights, f"{name}/"))
            transceiver: Transceiver = ModelDrivenTransceiver(
                steering, *sectors, omega, symbols=qam(scenario.order)
            )
        else:
            model = SectorAutoencoder(scenario.num_antennas, scenario.order, networks["width"])
            load_parameters(model, state(weights, f"{name}/omega={omega:g}/"))
            transceiver = SectorTransceiver(model, *sectors)
        found.append(at_point(name, index, omega, transceiver))
    return found


def p3_systems(
    scenario: P3Scenario, true: torch.Tensor, fig3: StoredRows, array: int
) -> list[System]:
    """Systems of P3 Fig. 3 at the end of their trainings, with the beam on the radar alone."""
    assumed = {"known": true, "unknown": scenario.nominal()}
    for order in ("SL", "UL", "SL+UL"):
        assumed[order] = fig3.tensors(system=order, array=array)["spacings"][-1]
    found = []
    for name, spacing in assumed.items():
        transceiver = scenario.transceiver(spacing)
        beam, symbols = transceiver.beam(), transceiver.symbols
        last = len(fig3.where(system=name, array=array)) - 1
        found.append(System(f"{name}/{array}", last, 1.0, beam, symbols))
    return found


def p3_series(result: StoredRows, system: str, array: int) -> Series:
    """Rows of a system of P3 as a series."""
    return rows_series(f"{system}/{array}", result.where(system=system, array=array))


def rows_series(name: str, rows: Table) -> Series:
    """Rows as a series, until the limits are ported to the engine."""
    quantities = {
        name: Quantity(name, q.values, q.low, q.high, [n or 0 for n in q.count or ()], q.unit)
        for name, q in rows.quantities.items()
    }
    return Series(name, quantities)


def only(systems: list[System], parameter: float) -> list[System]:
    """Systems at one value of what is swept."""
    return [s for s in systems if s.parameter == parameter]
