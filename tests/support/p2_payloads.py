"""Payloads of P2's tasks that take a fraction of a second, and what should come of them."""

import json
from dataclasses import asdict

from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p2.config import MatrixTraining, NetworkTraining, Scenario
from isaclib.experiments.p2.tasks import p2_record, performance_record
from isaclib.experiments.series.assembly import WEIGHTS
from isaclib.experiments.series.results import load_weights
from isaclib.learning.networks import load_parameters
from isaclib.systems.sector_networks.model import SectorAutoencoder
from isaclib.systems.steering_matrix.model import ModelDriven
from isaclib.systems.transceiver import Measurement, measure

K, GRID, WIDTH, SEED, REPETITION = 6, 91, 7, 3, 2
SCENARIO = Scenario(num_antennas=K, p_fa=0.05)
SECTORS = [(-40.0, -20.0), (-20.0, 20.0)]
TEST = {"samples": 1000, "block": 500, "seed": SEED, "device": "cpu"}
IMPAIRMENT = Impairment("cumulative", 1 / 15, 1)
POSITIONS = SCENARIO.positions(IMPAIRMENT, SEED)
MATRIX = MatrixTraining(grid_size=GRID, steps=4, batch=40)
NETWORKS = NetworkTraining(width=WIDTH, steps=4, batch=40)


def common(**changes):
    return {
        "scenario": asdict(SCENARIO),
        "impairment": asdict(IMPAIRMENT),
        "seed": SEED,
        "target_sectors_deg": [list(sector) for sector in SECTORS],
        "measurement": TEST,
        **changes,
    }


def baselines(**changes):
    points = [[0.0, 0.0], [0.6, 0.0], [1.0, 0.0]]
    return common(**{"known": True, "points": points, "grid_size": 200, **changes})


def a_matrix(training=MATRIX, **changes):
    rest = {"matrix": asdict(training), "radar_weights": [0.0, 0.3, 1.0]}
    return common(**{**rest, "repetition": REPETITION, **changes})


def some_networks(training=NETWORKS, **changes):
    rest = {"networks": asdict(training), "radar_weight": 0.3}
    return common(**{**rest, "repetition": REPETITION, **changes})


def through_json(payload):
    return json.loads(json.dumps(payload))


def same(a, b):
    """Whether two records are equal, undefined values included."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def measured(system, sector):
    """Record of a system from the measurement alone, nothing shared between systems."""
    channels = SCENARIO.towards(sector).channels(POSITIONS)
    found = measure(system, *channels, Measurement(p_fa=SCENARIO.p_fa, **TEST))
    return p2_record(performance_record(found))


def stored_matrix(folder, training=MATRIX):
    """The steering matrix that a task left in its folder."""
    model = ModelDriven(K, training.grid_size, reading=training.reading)
    load_parameters(model, load_weights(folder / WEIGHTS))
    return model


def stored_networks(folder):
    """The networks that a task left in its folder."""
    model = SectorAutoencoder(K, SCENARIO.order, WIDTH)
    load_parameters(model, load_weights(folder / WEIGHTS))
    return model
