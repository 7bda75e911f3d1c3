"""P2's parameter counts, against Table I by hand."""

from dataclasses import replace
from itertools import pairwise

import pytest

from isaclib.experiments.p2 import checks
from isaclib.experiments.p2.config import IMPAIRED_PRESETS


def by_hand(antennas, width, grid_size):
    """Weights and biases of Table I's sensing networks, entry by entry; entries of A."""

    def layers(*sizes):
        total = 0
        for before, after in pairwise(sizes):
            total += before * after + after
        return total

    beamformer = layers(4, width, width, width, 2 * antennas)
    presence = layers(2 * antennas + 2, width, width, width, 1)
    angle = layers(2 * antennas + 2, width, width, width, 1)
    return beamformer + presence + angle, antennas * grid_size


@pytest.mark.parametrize(
    ("complexity", "width", "grid_size"), [("unlimited", 1024, 500), ("limited", 21, 156)]
)
def test_parameters_are_counted_as_by_hand(complexity, width, grid_size):
    assert checks.parameter_counts(complexity) == by_hand(16, width, grid_size)


def test_parameters():
    verdict = checks.check_parameters({})
    assert verdict.status == "reproduced"
    (wide, large), (narrow, small) = by_hand(16, 1024, 500), by_hand(16, 21, 156)
    for count in (wide, large, narrow, small):
        assert f"{count:,}" in verdict.measured
    assert verdict.presets == ("paper",)


@pytest.mark.parametrize(
    ("width", "grid_size", "status"),
    [(21, 156, "reproduced"), (23, 156, "partly"), (21, 170, "partly"), (23, 170, "partly")],
)
def test_other_sizes_are_not_those_of_the_paper(width, grid_size, status, monkeypatch):
    config = IMPAIRED_PRESETS["paper"]
    matrix, networks = config.limited
    limited = (replace(matrix, grid_size=grid_size), replace(networks, width=width))
    monkeypatch.setitem(checks.IMPAIRED_PRESETS, "paper", replace(config, limited=limited))
    assert checks.parameter_counts("limited") == by_hand(16, width, grid_size)
    assert checks.check_parameters({}).status == status


def test_almost_is_two_percent(monkeypatch):
    def status(*counts):
        found = {"unlimited": counts[:2], "limited": counts[2:]}
        monkeypatch.setattr(checks, "parameter_counts", found.__getitem__)
        return checks.check_parameters({}).status

    assert status(6_400_000, 8000, 5000, 2500) == "reproduced"
    assert status(6_528_000, 8160, 4900, 2450) == "reproduced"
    assert status(6_528_001, 8160, 4900, 2450) == "partly"
    assert status(6_528_001, 8161, 4899, 2449) == "not reproduced"
