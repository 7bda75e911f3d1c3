import pytest
import torch
from hypothesis import settings

# Examples that are the same on every run and machine, however slow the machine is.
settings.register_profile("isaclib", deadline=None, derandomize=True)
settings.load_profile("isaclib")


@pytest.fixture
def one_thread():
    """Sums, and so weights, differ in their last bits with the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
