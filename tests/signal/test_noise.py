import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isaclib.signal.noise import (
    NOISE_POWER,
    complex_normal,
    db_to_linear,
    gain_variance,
    step_generator,
)

COUNT = 200_000
SIGMAS = 4.5
"""A true statement fails a test of this width with a probability below 1e-5."""


def samples(seed, stream, step, count=8):
    return torch.randn(count, generator=step_generator(seed, stream, step), dtype=torch.float64)


# Step-indexed generators


def test_a_step_gives_the_same_samples_in_another_process():
    code = """
from isaclib.signal.noise import step_generator
import torch
g = step_generator(3, "train/angle", 17)
print(torch.randn(8, generator=g, dtype=torch.float64).tolist())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(samples(3, "train/angle", 17).tolist())


@given(st.permutations(range(6)), st.integers(0, 2**40))
def test_steps_are_the_same_in_any_order(order, seed):
    forwards = [samples(seed, "train", step) for step in range(6)]
    for step in order:
        assert torch.equal(samples(seed, "train", step), forwards[step])


def test_the_global_generator_neither_matters_nor_moves():
    torch.manual_seed(0)
    first, state = samples(0, "a", 0), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(samples(0, "a", 0), first)
    torch.manual_seed(0)
    samples(0, "a", 0)
    assert torch.equal(torch.get_rng_state(), state)


def test_no_two_of_many_generators_share_a_seed():
    keys = [(s, f"{n}", k) for s in range(12) for n in ("a", "b", "1", "11") for k in range(112)]
    seeds = {step_generator(*key).initial_seed() for key in keys}
    assert len(seeds) == len(keys)


def test_neighbouring_digits_of_seed_stream_and_step_are_not_mixed_up():
    assert not torch.equal(samples(1, "2", 3), samples(12, "", 3))
    assert not torch.equal(samples(1, "2", 3), samples(1, "23", 3))
    assert not torch.equal(samples(1, "", 23), samples(1, "2", 3))


@pytest.mark.parametrize("other", [(1, "a", 0), (0, "b", 0), (0, "a", 1)])
def test_other_seeds_streams_and_steps_are_uncorrelated(other):
    a, b = samples(0, "a", 0, COUNT), samples(*other, COUNT)
    # Of independent standard normals, the mean product has variance 1 / COUNT.
    assert abs(float((a * b).mean())) < SIGMAS / math.sqrt(COUNT)
    assert not torch.equal(a, b)


def test_first_samples_of_successive_steps_are_standard_normal():
    count = 4000
    first = torch.stack([samples(0, "t", k, 2) for k in range(count)])
    assert abs(float(first.mean())) < SIGMAS / math.sqrt(2 * count)
    assert abs(float(first.var()) - 1) < SIGMAS * math.sqrt(2 / (2 * count))
    lag = (first[1:, 0] * first[:-1, 0]).mean()
    assert abs(float(lag)) < SIGMAS / math.sqrt(count - 1)


@pytest.mark.parametrize("value", [-1, 1.0, "1", None, True])
@pytest.mark.parametrize("name", ["seed", "step"])
def test_seed_and_step_must_be_counts(name, value):
    arguments = {"seed": 0, "step": 0, name: value}
    with pytest.raises(ValueError, match=f"{name} must be an integer >= 0, got {value!r}"):
        step_generator(arguments["seed"], "a", arguments["step"])


# Decibels


@given(st.floats(-100, 100))
def test_decibels_turn_into_the_power_ratio_that_they_mean(value):
    assert 10 * math.log10(db_to_linear(value)) == pytest.approx(value, abs=1e-9)
    assert gain_variance(value) / NOISE_POWER == db_to_linear(value)


def test_the_noise_power_is_one_and_zero_decibels_are_a_ratio_of_one():
    assert NOISE_POWER == 1
    assert db_to_linear(0) == 1
    assert db_to_linear(20) == pytest.approx(100)
    assert gain_variance(-3) == pytest.approx(0.501187, rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_decibels_must_be_finite(value):
    with pytest.raises(ValueError, match=f"value_db must be a finite .* got {value}"):
        db_to_linear(value)
    with pytest.raises(ValueError, match=f"snr_db must be a finite .* got {value}"):
        gain_variance(value)


# Complex Gaussian samples


@pytest.mark.parametrize("variance", [0.25, 1.0, 100.0])
def test_half_of_the_variance_is_on_each_real_dimension(variance):
    z = complex_normal((COUNT,), variance, generator=step_generator(0, "moments", 0)).cdouble()
    half = variance / 2
    for part in (z.real, z.imag):
        assert abs(float(part.mean())) < SIGMAS * math.sqrt(half / COUNT)
        # The variance of a normal sample's square is twice its squared variance.
        spread = half * math.sqrt(2 / COUNT)
        assert abs(float(part.square().mean()) - half) < SIGMAS * spread


def test_samples_are_circularly_symmetric():
    variance = 2.0
    z = complex_normal((COUNT,), variance, generator=step_generator(0, "circular", 0)).cdouble()
    # E z^2 = 0; each part of it has variance v^2.
    pseudo = z.square().mean()
    assert abs(float(pseudo.real)) < SIGMAS * variance / math.sqrt(COUNT)
    assert abs(float(pseudo.imag)) < SIGMAS * variance / math.sqrt(COUNT)
    # The power is exponential, whose fourth moment E|z|^4 = 2 v^2 has the spread sqrt(20) v^2.
    fourth = z.abs().pow(4).mean()
    assert abs(float(fourth) - 2 * variance**2) < SIGMAS * math.sqrt(20 / COUNT) * variance**2


def test_samples_of_one_array_are_uncorrelated():
    z = complex_normal((COUNT // 4, 4), generator=step_generator(0, "array", 0)).cdouble()
    covariance = z.mH @ z / len(z)
    error = (covariance - torch.eye(4, dtype=z.dtype)).abs()
    assert float(error.max()) < SIGMAS / math.sqrt(len(z))


@given(
    st.lists(st.integers(0, 4), max_size=3), st.sampled_from([torch.complex64, torch.complex128])
)
def test_shape_and_dtype_are_those_asked_for(shape, dtype):
    z = complex_normal(shape, generator=step_generator(0, "shape", 0), dtype=dtype)
    assert z.shape == tuple(shape)
    assert z.dtype == dtype


def test_the_variance_only_scales():
    draw = [complex_normal((5,), v, generator=step_generator(0, "s", 0)) for v in (1.0, 4.0, 0.0)]
    torch.testing.assert_close(draw[1], 2 * draw[0])
    assert not draw[2].any()


@pytest.mark.parametrize("variance", [-1.0, math.nan, math.inf])
def test_the_variance_must_be_finite_and_non_negative(variance):
    with pytest.raises(ValueError, match=f"variance must be .*non-negative, got {variance}"):
        complex_normal((2,), variance)


def test_samples_must_be_complex():
    with pytest.raises(ValueError, match=r"dtype must be torch.complex64 .* got torch.float32"):
        complex_normal((2,), dtype=torch.float32)
