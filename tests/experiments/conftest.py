import pytest
import torch
from figure_runs import run_and_store

from isaclib.experiments.registry import figures


def stored_figures(paper, folder):
    """Every figure of a paper at the smoke preset, in its order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {
            name: run_and_store(folder, name)
            for name, spec in figures().items()
            if spec.paper == paper
        }
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="session")
def p1_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("p1")


@pytest.fixture(scope="session")
def p1_stored(p1_folder):
    """Every figure of P1, Fig. 2 first."""
    return stored_figures("p1", p1_folder)


@pytest.fixture(scope="session")
def p2_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("p2")


@pytest.fixture(scope="session")
def p2_stored(p2_folder):
    """Every figure of P2, Fig. 4 before Fig. 5."""
    return stored_figures("p2", p2_folder)


@pytest.fixture(scope="session")
def p3_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("p3")


@pytest.fixture(scope="session")
def p3_stored(p3_folder):
    """Every figure of P3, Fig. 3 before those that go on from its trainings."""
    return stored_figures("p3", p3_folder)


@pytest.fixture(scope="session")
def p4_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("p4")


@pytest.fixture(scope="session")
def p4_stored(p4_folder):
    """Every figure of P4, those that share points after Fig. 4."""
    return stored_figures("p4", p4_folder)


@pytest.fixture
def draw():
    """Draws a result, and closes the figure at the end."""
    from matplotlib import pyplot as plt

    drawn = []

    def drawing(result, function=None):
        drawn.append((function or figures()[result.figure].draw)(result))
        drawn[-1].canvas.draw()
        return drawn[-1]

    yield drawing
    for figure in drawn:
        plt.close(figure)
