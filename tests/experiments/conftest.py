import pytest
import torch
from figure_runs import run_and_store

from isaclib.experiments import figures


@pytest.fixture
def one_thread():
    """Sums are the same to the last bit, and tiny ones faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def p2_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("p2")


@pytest.fixture(scope="session")
def p2_stored(p2_folder):
    """Every figure of P2 at the smoke preset, Fig. 4 before Fig. 5."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {
            name: run_and_store(p2_folder, name)
            for name, spec in figures().items()
            if spec.paper == "p2"
        }
    finally:
        torch.set_num_threads(before)
