import json
import math
import warnings
from importlib.resources import files

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm

from isaclib.signal.arrays import element_index, element_positions
from isaclib.signal.noise import step_generator
from isaclib.signal.spacings import (
    draw_spacings,
    impaired_positions,
    read_spacings,
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


# Arrays from a file

PUBLISHED = files("isaclib.experiments.p3") / "published_spacings.json"
ARRAY = {
    "what": "a test",
    "unit": "m",
    "carrier_hz": 60e9,
    "speed_of_light_m_per_s": 3e8,
    "spacings": [0.0026, 0.0024, 0.0025, 0.0027],
}


def array_file(folder, **changes):
    path = folder / "array.json"
    path.write_text(json.dumps({**ARRAY, **changes}))
    return path


def test_the_authors_array_is_read_in_wavelengths_of_five_millimetres():
    spacing = read_spacings(PUBLISHED, 64)
    metres = json.loads(PUBLISHED.read_text())["spacings"]
    np.testing.assert_allclose(spacing.numpy(), np.array(metres) / 5e-3, rtol=1e-15)
    assert spacing.dtype == torch.float64
    # Sorted as draw_spacings does, of the paper's spread: half a wavelength and a 25th.
    outwards = torch.argsort(element_index(64).abs(), stable=True)
    pairs = spacing[outwards].view(32, 2).mean(1)
    assert bool((pairs.diff() > 0).all())
    assert float(spacing.mean()) == pytest.approx(0.5, abs=4 * 0.04 / 8)
    assert float(spacing.std()) == pytest.approx(0.04, rel=0.3)
    assert bool((spacing_positions(spacing).diff() > 0).all())


def test_an_array_is_read_with_its_own_speed_of_light(tmp_path):
    path = array_file(tmp_path, speed_of_light_m_per_s=299792458.0, carrier_hz=28e9)
    expected = torch.tensor(ARRAY["spacings"], dtype=torch.float64) / wavelength(28e9)
    torch.testing.assert_close(read_spacings(str(path), 4), expected)


def test_an_array_in_disorder_is_warned_of_with_its_positions(tmp_path):
    path = array_file(tmp_path, spacings=[0.0025, 0.0095, 0.0025, 0.0025])
    match = r"elements 0 and 1 have changed places: \[-0.75, -0.95, 0.25, 0.75\] wavelengths"
    with pytest.warns(UserWarning, match=match):
        found = read_spacings(path, 4)
    torch.testing.assert_close(found, torch.tensor([0.5, 1.9, 0.5, 0.5], dtype=torch.float64))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"unit": "mm"}, r"unit in .*array.json must be one of 'm', got 'mm'"),
        ({"unit": None}, r"unit in .*array.json must be one of 'm', got None"),
        ({"carrier_hz": 0}, r"carrier_hz in .*array.json must be a finite number > 0, got 0"),
        ({"carrier_hz": "60 GHz"}, r"carrier_hz in .*array.json must be .* > 0, got '60 GHz'"),
        (
            {"speed_of_light_m_per_s": math.inf},
            r"speed_of_light_m_per_s in .*array.json must be a finite number > 0, got inf",
        ),
        (
            {"spacings": [0.0025] * 5},
            r"spacings in .*array.json must be a list of 4 numbers, got 5 numbers",
        ),
        ({"spacings": []}, r"spacings in .* must be a list of 4 numbers, got 0 numbers"),
        ({"spacings": 0.0025}, r"spacings in .* must be a list of 4 numbers, got 0.0025"),
        (
            {"spacings": [0.0025, 0.0025, math.nan, 0.0025]},
            r"spacings\[2\] in .*array.json must be a finite number, got nan",
        ),
        (
            {"spacings": [0.0025, "0.0025", 0.0025, 0.0025]},
            r"spacings\[1\] in .*array.json must be a finite number, got '0.0025'",
        ),
    ],
)
def test_the_file_of_an_array_is_checked(tmp_path, changes, match):
    with pytest.raises(ValueError, match=match):
        read_spacings(array_file(tmp_path, **changes), 4)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "array.json must be a JSON file, got one with: Expecting value: line 1"),
        ("[0.0025]", "array.json must hold a JSON object, got list"),
        (
            '{"unit": "m", "spacings": []}',
            "array.json must have the keys unit, carrier_hz, speed_of_light_m_per_s, spacings, "
            "got unit, spacings",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, text, match):
    path = tmp_path / "array.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=match):
        read_spacings(path, 4)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.json"):
        read_spacings(tmp_path / "nowhere.json", 4)


# Bad input


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
    with pytest.raises(ValueError, match="carrier_hz must be a finite number > 0, got -1"):
        wavelength(-1)
