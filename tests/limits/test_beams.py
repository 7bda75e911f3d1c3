import math

import numpy as np
import pytest
import torch

from isaclib.limits.beams import (
    best_beam,
    certificate,
    convex_misses,
    errors_certificate,
    fewest_errors,
    pareto_beams,
    starting_beams,
)
from isaclib.limits.error_rates import BeamCriteria, known_place_level, missed, qam_error
from isaclib.signal.arrays import Sector, element_positions, steering_vector
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.signal.spacings import impaired_positions

TARGET, RECEIVER = Sector(-20, 20), Sector(30, 50)
LEVEL = known_place_level(0.01)


def judged(positions, **changes):
    numbers = {"radar_snr": float(len(positions)), "communication_snr": 100.0, "level": LEVEL}
    return BeamCriteria(positions, TARGET, RECEIVER, **{**numbers, **changes})


def random_beams(count, antennas, stream="beams"):
    generator = step_generator(0, stream, 0)
    drawn = complex_normal((count, antennas), generator=generator, dtype=torch.complex128)
    return drawn / torch.linalg.vector_norm(drawn, dim=-1, keepdim=True)


UNIFORM = judged(element_positions(6))


@pytest.fixture(scope="module")
def front():
    return pareto_beams(UNIFORM, 5, step_generator(0, "front", 0), random=3)


# The front of a uniform array


def test_no_beam_is_better_and_that_is_proven(front):
    """The certificate meets the misses: there is no gap for a better beam to be in."""
    for point in front:
        assert point.p_md - point.floor < 1e-5 + (1e-2 if point.p_md > 0.5 else 0)
        assert point.floor < point.p_md + 1e-9
        assert point.ser <= point.limit * (1 + 1e-6)
        assert float(torch.linalg.vector_norm(point.beam)) == pytest.approx(1)
        assert float(UNIFORM.ser(point.beam)) == pytest.approx(point.ser)
        assert float(UNIFORM.p_md(point.beam)) == pytest.approx(point.p_md)


def test_several_starts_reach_the_best(front):
    for point in front:
        assert 1 <= point.reached <= point.starts
    assert sum(point.reached for point in front) > sum(point.starts for point in front) / 2


def test_the_front_is_a_front(front):
    ser, p_md = ([getattr(point, name) for point in front] for name in ("ser", "p_md"))
    assert ser == sorted(ser)
    assert p_md == sorted(p_md, reverse=True)


def test_the_front_dominates_least_squares_beams_and_random_ones(front):
    beams = starting_beams(UNIFORM, 0, step_generator(0, "x", 0), phases=16)
    beams = torch.cat([beams, random_beams(2000, 6)])
    ser, p_md = UNIFORM.ser(beams), UNIFORM.p_md(beams)
    for point in front:
        inside = ser <= point.limit
        if bool(inside.any()):
            assert float(p_md[inside].min()) > point.p_md - 1e-9
    assert float(ser.min()) > front[0].ser * (1 - 1e-3)
    assert bool((ser <= front[-2].limit).any())  # the test compares something


def test_a_limit_of_its_own_errors_improves_on_a_least_squares_beam():
    for beam in starting_beams(UNIFORM, 0, step_generator(0, "x", 0), phases=1)[1:4]:
        limit = float(UNIFORM.ser(beam))
        found = best_beam(UNIFORM, limit, torch.stack([beam]))
        assert found.p_md < float(UNIFORM.p_md(beam)) * 0.999
        assert found.floor > found.p_md * 0.995


def test_two_antennas_by_brute_force():
    """Every beam of two antennas, but for a common phase."""
    criteria = judged(element_positions(2))
    share, phase = np.meshgrid(np.linspace(0, math.pi / 2, 301), np.linspace(0, 2 * math.pi, 601))
    beams = np.stack([np.cos(share) + 0j, np.sin(share) * np.exp(1j * phase)], axis=-1)
    beams = torch.from_numpy(beams).flatten(0, 1)
    ser, p_md = criteria.ser(beams), criteria.p_md(beams)
    starts = starting_beams(criteria, 1, step_generator(0, "two", 0), phases=1)
    assert float(criteria.ser(fewest_errors(criteria, starts))) == pytest.approx(
        float(ser.min()), rel=1e-3
    )
    for limit in (float(ser.min()) * 1.02, float(ser.min()) * 1.2, math.inf):
        found = best_beam(criteria, limit, starts)
        assert found.p_md == pytest.approx(float(p_md[ser <= limit].min()), rel=2e-3)
        assert found.p_md <= float(p_md[ser <= limit].min()) + 1e-9


def test_a_sector_of_one_angle_wants_the_matched_beam():
    narrow = BeamCriteria(
        element_positions(5), Sector(9.99, 10.01), Sector(-30.01, -29.99), 5.0, 10.0, LEVEL
    )
    starts = random_beams(3, 5)
    sensing = best_beam(narrow, math.inf, starts)
    towards = steering_vector(torch.tensor(math.radians(10.0)), narrow.positions).to(sensing.beam)
    assert abs(complex(towards @ sensing.beam)) ** 2 == pytest.approx(5, rel=1e-4)
    full = torch.tensor(5.0, dtype=torch.float64)
    assert sensing.p_md == pytest.approx(float(missed(5 * full, LEVEL)), rel=1e-4)
    assert sensing.floor == pytest.approx(sensing.p_md, rel=1e-6)
    symbols = fewest_errors(narrow, starts)
    assert float(narrow.ser(symbols)) == pytest.approx(float(qam_error(10 * full)), rel=1e-4)
    assert errors_certificate(narrow, symbols) == pytest.approx(float(narrow.ser(symbols)), 1e-5)


def test_mirrored_sectors_have_mirrored_beams():
    one = judged(element_positions(6, reference="center"))
    other = BeamCriteria(one.positions, TARGET, Sector(-50, -30), 6.0, 100.0, LEVEL)
    starts = random_beams(3, 6)
    found = [best_beam(criteria, 0.05, starts).p_md for criteria in (one, other)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


# Certificates


IMPAIRED = judged(impaired_positions(6, 0.1, generator=step_generator(0, "array", 0)))


@pytest.mark.parametrize("criteria", [UNIFORM, IMPAIRED])
def test_no_beam_goes_below_a_certificate_whatever_it_was_made_from(criteria):
    beams = random_beams(5000, 6, "many")
    towards = steering_vector(
        torch.linspace(-0.4, 0.9, 300, dtype=torch.float64), criteria.positions
    )
    beams = torch.cat([beams, towards.conj() / math.sqrt(6)])
    ser, p_md = criteria.ser(beams), criteria.p_md(beams)
    for source in beams[[0, 1, 5100]]:
        assert errors_certificate(criteria, source) <= float(ser.min())
        for limit in (float(ser.quantile(0.05)), float(ser.median()), math.inf):
            floor = certificate(criteria, source, limit)
            assert floor <= float(p_md[ser <= limit].min())


def test_a_certificate_of_a_better_beam_is_tighter():
    starts = random_beams(4, 6)
    best = best_beam(IMPAIRED, 0.02, starts)
    assert certificate(IMPAIRED, starts[0], 0.02) < best.floor
    assert best.p_md * 0.9 < best.floor < best.p_md


@pytest.mark.parametrize("level", [1.5, 2.1, LEVEL, 12.0])
def test_the_minorant_is_convex_and_nowhere_above_the_misses(level):
    criteria = judged(element_positions(6), level=level)
    pattern = torch.cat([torch.zeros(1), torch.logspace(-5, 2, 20_000)]).double()
    minorant, misses = convex_misses(criteria)(pattern), criteria.misses(pattern)
    assert bool((minorant <= misses + 1e-12).all())
    slopes = torch.diff(minorant) / torch.diff(pattern)
    assert bool((torch.diff(slopes) > -1e-7).all())
    # It is the largest: it starts with the misses, and joins them for good.
    assert float(minorant[0]) == pytest.approx(float(misses[0]))
    assert torch.equal(minorant[-2000:], misses[-2000:])
    gap = (misses - minorant) > 1e-9
    assert bool(gap.any()) == (level > 2)


# Arguments


def test_starts_are_unit_beams_of_both_kinds():
    beams = starting_beams(UNIFORM, 7, step_generator(0, "s", 0), phases=3)
    assert beams.shape == (6 * 3 + 7, 6)
    torch.testing.assert_close(
        torch.linalg.vector_norm(beams, dim=-1), torch.ones(25, dtype=torch.float64)
    )
    again = starting_beams(UNIFORM, 7, step_generator(0, "s", 0), phases=3)
    assert torch.equal(beams, again)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="count must be at least 2 beams, got 1"):
        pareto_beams(UNIFORM, 1, step_generator(0, "s", 0))
    with pytest.raises(ValueError, match="limit must be a SER that a beam can reach, got 1e-06"):
        best_beam(UNIFORM, 1e-6, random_beams(1, 6), iterations=30)
    with pytest.raises(ValueError, match=r"limit must be .*, got -1"):
        certificate(UNIFORM, random_beams(1, 6)[0], -1)
