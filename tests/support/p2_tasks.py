"""Tasks of P2 that take a fraction of a second, and what should come of them."""

from sweep_tasks import cache_in

from isaclib.experiments.engine.cache import execute
from isaclib.experiments.engine.tasks import Test
from isaclib.experiments.p1.config import Impairment
from isaclib.experiments.p2.config import MatrixTraining, NetworkTraining, Scenario
from isaclib.experiments.p2.figures import trained_networks
from isaclib.experiments.p2.tasks import Setting, TrainMatrix, values
from isaclib.learning.networks import load_parameters
from isaclib.systems.sector_networks.model import SectorAutoencoder
from isaclib.systems.steering_matrix.model import ModelDriven
from isaclib.systems.transceiver import Measurement, measure

K, GRID, WIDTH, SEED = 6, 91, 7, 3
SCENARIO = Scenario(num_antennas=K, p_fa=0.05)
SECTORS = [(-40.0, -20.0), (-20.0, 20.0)]
TEST = Test(1000, 500)
SETTING = Setting(SCENARIO, SEED, Impairment("cumulative", 1 / 15, 1))
POSITIONS = SETTING.positions()
MATRIX = TrainMatrix(SETTING, MatrixTraining(grid_size=GRID, steps=4, batch=40))
NETWORKS = NetworkTraining(width=WIDTH, steps=4, batch=40)


def networks(training=NETWORKS, setting=SETTING, weight=0.3):
    """Both trainings of some networks, by their step."""
    return trained_networks(setting, training, weight)


def outcome(task, folder):
    """What a task gives, from a cache below the folder."""
    return execute(task, cache_in(folder)).outcome


def points(task, folder):
    """What a task measures, in a form that can be compared."""
    return [(dict(point.at), repr(dict(point.values))) for point in outcome(task, folder).points]


def measured(system, sector, scenario=SCENARIO):
    """A system from the measurement alone, nothing shared between systems."""
    channels = scenario.towards(sector).channels(POSITIONS)
    measurement = Measurement(TEST.samples, scenario.p_fa, SEED, TEST.block)
    return repr(values(measure(system, *channels, measurement)))


def stored_matrix(task, folder):
    """The steering matrix that a task trained."""
    model = ModelDriven(K, task.training.grid_size, reading=task.training.reading)
    load_parameters(model, outcome(task, folder).tensors)
    return model


def stored_networks(task, folder):
    """The networks that a task trained."""
    model = SectorAutoencoder(K, SCENARIO.order, task.training.width)
    load_parameters(model, outcome(task, folder).tensors)
    return model
