import math
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from isaclib.signal.arrays import element_index, element_positions
from isaclib.signal.noise import step_generator
from isaclib.signal.spacings import (
    draw_spacings,
    impaired_positions,
    spacing_positions,
    warn_of_disorder,
    wavelength,
)


def generator(step=0):
    return step_generator(0, "spacings", step)


def test_the_wavelength_of_p3_makes_its_errors_a_fifth_of_a_millimetre():
    """sigma = lambda / 25 = 0.2 mm at 60 GHz, P3 Sec. V-A."""
    assert 1e3 * wavelength(60e9) / 25 == pytest.approx(0.2, abs=2e-4)


@pytest.mark.parametrize("antennas", [1, 5, 64])
def test_nominal_spacings_give_the_nominal_array(antennas):
    found = spacing_positions(torch.full((antennas,), 0.5, dtype=torch.float64))
    torch.testing.assert_close(found, element_positions(antennas, reference="center"))


def test_positions_are_those_of_the_paper():
    spacing = torch.linspace(0.4, 0.6, 5, dtype=torch.float64).requires_grad_()
    positions = spacing_positions(spacing)
    oracle = (np.arange(5) - 2) * np.linspace(0.4, 0.6, 5)
    np.testing.assert_allclose(positions.detach().numpy(), oracle)
    positions.sum().backward()
    torch.testing.assert_close(spacing.grad, element_index(5))


@pytest.mark.parametrize("ordered", [True, False])
def test_spacings_are_gaussian(ordered):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = [
            draw_spacings(64, 0.04, ordered=ordered, generator=generator(i)) for i in range(50)
        ]
    assert kstest(torch.cat(drawn).numpy(), norm(0.5, 0.04).cdf).pvalue > 1e-3


def test_as_printed_they_are_the_per_element_impairments_of_the_library():
    with pytest.warns(UserWarning, match="have changed places"):
        spacing = draw_spacings(64, 0.04, ordered=False, generator=generator())
    expected = impaired_positions(
        64, 0.04, model="per_element", reference="center", generator=generator()
    )
    torch.testing.assert_close(spacing_positions(spacing), expected)


@pytest.mark.parametrize("antennas", [2, 7, 64])
def test_ordered_spacings_grow_outwards_and_keep_the_elements_in_order(antennas):
    for step in range(20):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            spacing = draw_spacings(antennas, 0.04, generator=generator(step))
            warn_of_disorder(spacing_positions(spacing))
        outwards = torch.argsort(element_index(antennas).abs(), stable=True)
        assert bool((spacing[outwards].diff() >= 0).all())
        assert bool((spacing_positions(spacing).diff() > 0).all())


def test_disordered_elements_are_warned_of_with_their_positions():
    positions = torch.tensor([-1.5, -0.5, -0.75, 0.25, 0.25, 1.0])
    match = (
        r"elements 1 and 2, 3 and 4 have changed places: "
        r"\[-1.5, -0.5, -0.75, 0.25, 0.25, 1\] wavelengths"
    )
    with pytest.warns(UserWarning, match=match):
        warn_of_disorder(positions)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((0, 0.1), "num_antennas must be an integer >= 1, got 0"),
        ((4, -0.1), "std must be a finite number >= 0, got -0.1"),
        ((4, math.nan), "std must be a finite number >= 0, got nan"),
    ],
)
def test_arguments_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        draw_spacings(*arguments)


def test_more_arguments_are_checked():
    with pytest.raises(ValueError, match="spacing must be a finite number > 0, got 0"):
        draw_spacings(4, 0.1, spacing=0)
    with pytest.raises(ValueError, match="carrier_hz must be a finite number > 0, got -1"):
        wavelength(-1)
