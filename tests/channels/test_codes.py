import math

import numpy as np
import pytest
import torch
from scipy import integrate, special
from scipy.stats import expon, kstest, uniform

from isaclib.channels.codes import (
    CodeChannel,
    CodeRealization,
    EchoChannel,
    EchoRealization,
    check_code_size,
    paired,
    receiver_inputs,
    unit_power_code,
)
from isaclib.signal.noise import complex_normal, db_to_linear, step_generator

COUNT, SYMBOLS = 40_000, 5
SIGMAS = 4.5
CHANNELS = [
    CodeChannel(3.0),
    CodeChannel(-2.0, "rayleigh"),
    EchoChannel(3.0, ranges=3),
    EchoChannel(3.0, "rayleigh", ranges=2),
    EchoChannel(3.0, "rayleigh", ways="reciprocal"),
]
EACH = pytest.mark.parametrize("channel", CHANNELS, ids=str)


def generator(name="code"):
    return step_generator(0, name, 0)


def codes(batch, symbols=SYMBOLS, name="codes", dtype=torch.complex64):
    return unit_power_code(complex_normal((batch, symbols), generator=generator(name), dtype=dtype))


def near(found, expected, spread, count=COUNT):
    """A sample mean is where theory has it; one without spread, up to single precision."""
    tolerance = SIGMAS * spread / math.sqrt(count) + 1e-6
    assert float(found) == pytest.approx(expected, abs=tolerance)


# Codes


def test_neighbours_are_the_two_parts_of_a_symbol():
    outputs = torch.arange(12.0).view(2, 6)
    assert paired(outputs).tolist() == [[0 + 1j, 2 + 3j, 4 + 5j], [6 + 7j, 8 + 9j, 10 + 11j]]


@pytest.mark.parametrize("size", [0, 1, 3, -2, 4.0, True, None])
def test_a_code_has_an_even_number_of_dimensions(size):
    with pytest.raises(ValueError, match=rf"size must be an even integer >= 2, .* got {size!r}"):
        check_code_size("size", size)


@pytest.mark.parametrize("size", [0, 5])
def test_an_odd_number_of_outputs_is_no_code(size):
    with pytest.raises(ValueError, match=rf"size must be an even integer >= 2, .* got {size}"):
        paired(torch.zeros(3, size))


def test_every_code_has_unit_average_power_and_keeps_its_direction():
    raw = 7 * complex_normal((50, SYMBOLS), generator=generator(), dtype=torch.complex128)
    code = unit_power_code(raw)
    np.testing.assert_allclose((np.abs(code.numpy()) ** 2).mean(1), 1, rtol=1e-12)
    ratio = (code / raw).numpy()
    np.testing.assert_allclose(ratio.imag, 0, atol=1e-12)
    np.testing.assert_allclose(ratio, ratio[:, :1].repeat(SYMBOLS, 1), rtol=1e-12)
    assert np.all(ratio.real > 0)


def test_the_scale_of_an_encoder_makes_no_difference():
    raw = complex_normal((50, SYMBOLS), generator=generator(), dtype=torch.complex128)
    torch.testing.assert_close(unit_power_code(raw), unit_power_code(1e3 * raw))
    assert unit_power_code(torch.zeros(2, 3, dtype=torch.complex64)).tolist() == [[0] * 3] * 2


def test_the_power_constraint_is_differentiable():
    raw = complex_normal((3, 2), generator=generator(), dtype=torch.complex128)
    assert torch.autograd.gradcheck(unit_power_code, raw.requires_grad_(True))


# The channel to the receiver


def test_the_received_symbols_are_those_of_the_formula():
    channel = CodeChannel(6.0, "rayleigh")
    realization = channel.draw(4, SYMBOLS, generator())
    code = codes(4)
    found = channel(code, realization).numpy()
    for i in range(4):
        for s in range(SYMBOLS):
            h, n = complex(realization.gain[i]), complex(realization.noise[i, s])
            expected = math.sqrt(10**0.6) * h * complex(code[i, s]) + n
            assert complex(found[i, s]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("fading", ["awgn", "rayleigh"])
@pytest.mark.parametrize("snr_db", [-5.0, 3.0, 10.0])
def test_the_snr_is_that_of_a_received_symbol(fading, snr_db):
    channel = CodeChannel(snr_db, fading)
    realization = channel.draw(COUNT, SYMBOLS, generator())
    code = codes(COUNT)
    noise = realization.noise.abs().square().double()
    signal = (channel(code, realization) - realization.noise).abs().square().double().mean(1)
    near(noise.mean(), 1.0, 1.0, noise.numel())
    near(signal.mean(), db_to_linear(snr_db), float(signal.std()))


def test_awgn_has_no_fading_and_rayleigh_one_draw_a_code():
    assert torch.equal(CodeChannel(3.0).draw(9, 2, generator()).gain, torch.ones(9) + 0j)
    gain = CodeChannel(3.0, "rayleigh").draw(COUNT, SYMBOLS, generator()).gain
    assert kstest(gain.abs().square(), expon().cdf).pvalue > 1e-5
    assert kstest(gain.angle(), uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-5
    assert len(set(gain.tolist())) > 0.99 * COUNT


# The channel to the target and back


def test_the_echo_is_that_of_the_formula():
    channel = EchoChannel(6.0, "rayleigh", ranges=3, range_step_db=2.0, max_frequency=0.1)
    realization = channel.draw(40, SYMBOLS, generator())
    assert set(realization.label.tolist()) == {0, 1, 2, 3}
    code = codes(40)
    found = channel(code, realization).numpy()
    for i in range(40):
        r = int(realization.label[i])
        amplitude = 0.0 if r == 0 else 10 ** ((6.0 - (r - 1) * 2.0) / 20)
        for s in range(SYMBOLS):
            turned = complex(realization.rotation[i, s]) * complex(code[i, s])
            expected = amplitude * complex(realization.gain[i]) * turned
            expected += complex(realization.noise[i, s])
            assert complex(found[i, s]) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("fading", ["awgn", "rayleigh"])
@pytest.mark.parametrize("ways", ["independent", "reciprocal"])
def test_each_range_has_its_snr(fading, ways):
    """The step is Delta dB a range, whatever the fading and the ways."""
    channel = EchoChannel(3.0, fading, ranges=3, range_step_db=4.0, ways=ways)
    realization = channel.draw(COUNT, SYMBOLS, generator())
    echo = channel(codes(COUNT), realization) - realization.noise
    power = echo.abs().square().double().mean(1)
    assert float(power[realization.label == 0].max()) == 0
    for r, snr_db in ((1, 3.0), (2, -1.0), (3, -5.0)):
        some = power[realization.label == r]
        near(some.mean(), db_to_linear(snr_db), float(some.std()), len(some))


@pytest.mark.parametrize("ranges", [1, 4])
def test_all_labels_are_equally_likely(ranges):
    label = EchoChannel(3.0, ranges=ranges).draw(COUNT, 1, generator()).label
    share = torch.bincount(label) / COUNT
    p = 1 / (ranges + 1)
    assert len(share) == ranges + 1
    for found in share:
        near(found, p, math.sqrt(p * (1 - p)))


def test_the_gain_of_both_ways_is_their_product():
    """|h1 h2|^2 of independent ways is a product of exponentials: P(> t) = 2 sqrt(t) K1(2 sqrt t).

    Over the same path twice it is |h|^4 / 2, whose tail is that of |h|^2 at sqrt(2 t).
    """
    draws = EchoChannel(0.0, "rayleigh").draw(COUNT, 1, generator()).gain.abs().square().double()
    same = EchoChannel(0.0, "rayleigh", ways="reciprocal").draw(COUNT, 1, generator()).gain

    def independent(t):
        x = 2 * np.sqrt(np.maximum(t, 1e-300))
        return 1 - x * special.k1(x)

    assert kstest(draws, independent).pvalue > 1e-5
    power = same.abs().square().double()
    assert kstest(power, lambda t: 1 - np.exp(-np.sqrt(2 * t))).pvalue > 1e-5
    for tail, mean in ((independent, 1.0), (lambda t: 1 - np.exp(-np.sqrt(2 * t)), 1.0)):
        found = integrate.quad(lambda t, f=tail: 1 - f(t), 0, np.inf)[0]
        assert found == pytest.approx(mean, rel=1e-6)


def test_without_fading_the_phase_is_uniform_in_its_range_and_the_modulus_one():
    for limit in (math.pi, 0.3):
        channel = EchoChannel(3.0, max_phase=limit)
        gain = channel.draw(COUNT, 1, generator()).gain
        torch.testing.assert_close(gain.abs(), torch.ones(COUNT))
        assert kstest(gain.angle(), uniform(-limit, 2 * limit).cdf).pvalue > 1e-5
    still = EchoChannel(3.0, max_phase=0.0).draw(9, 1, generator()).gain
    assert torch.equal(still, torch.ones(9) + 0j)


def test_the_frequency_shift_turns_each_symbol_further_by_the_same_angle():
    channel = EchoChannel(3.0, max_frequency=0.05)
    rotation = channel.draw(COUNT, SYMBOLS, generator()).rotation
    torch.testing.assert_close(rotation.abs(), torch.ones(COUNT, SYMBOLS))
    assert torch.equal(rotation[:, 0], torch.ones(COUNT) + 0j)
    step = (rotation[:, 1:] * rotation[:, :-1].conj()).angle() / (2 * math.pi)
    torch.testing.assert_close(step, step[:, :1].expand_as(step), atol=2e-6, rtol=0)
    assert kstest(step[:, 0], uniform(-0.05, 0.1).cdf).pvalue > 1e-5
    still = EchoChannel(3.0, max_frequency=0.0).draw(3, SYMBOLS, generator()).rotation
    assert torch.equal(still, torch.ones(3, SYMBOLS) + 0j)


def test_target_fading_phase_and_frequency_are_independent():
    channel = EchoChannel(3.0, "rayleigh", max_phase=1.0)
    draw = channel.draw(COUNT, 2, generator())
    present = 2.0 * (draw.label > 0).double() - 1
    power = draw.gain.abs().square().double()
    turn = (draw.rotation[:, 1].angle() / (2 * math.pi * 0.01)).double()
    noise = draw.noise[:, 0].real.double()
    columns = torch.stack([present, (power - 1) / power.std(), turn * math.sqrt(3), noise * 2**0.5])
    correlation = columns @ columns.T / COUNT
    error = (correlation - torch.eye(4)).abs()
    error.fill_diagonal_(0)
    assert float(error.max()) < SIGMAS / math.sqrt(COUNT)


# All channels


@EACH
def test_realizations_are_one_a_code_and_follow_from_the_generator(channel):
    first, again = (channel.draw(30, SYMBOLS, generator()) for _ in range(2))
    other = channel.draw(30, SYMBOLS, generator("other"))
    for name, value in vars(first).items():
        assert len(value) == 30
        assert torch.equal(value, getattr(again, name))
    assert not torch.equal(first.noise, other.noise)
    assert len({complex(n) for n in first.noise.flatten()}) == 30 * SYMBOLS


@EACH
def test_codes_are_not_mixed_up(channel):
    code, realization = codes(8), channel.draw(8, SYMBOLS, generator())
    together = channel(code, realization)
    for i in range(8):
        alone = type(realization)(**{k: v[i : i + 1] for k, v in vars(realization).items()})
        torch.testing.assert_close(channel(code[i : i + 1], alone)[0], together[i])


@EACH
def test_channels_are_differentiable_for_the_code(channel):
    code = codes(3, 2, dtype=torch.complex128).requires_grad_(True)
    single = channel.draw(3, 2, generator())
    values = {k: v.to(torch.complex128) if v.is_complex() else v for k, v in vars(single).items()}
    realization = type(single)(**values)

    def through(x, known):
        received = channel(x, realization)
        return receiver_inputs(received, channel, realization if known else None)

    for known in (False, True):
        assert torch.autograd.gradcheck(lambda x, k=known: through(x, k), code)


# What the receivers are given


@EACH
@pytest.mark.parametrize("known", [False, True])
def test_inputs_have_about_unit_power(channel, known):
    realization = channel.draw(COUNT, SYMBOLS, generator())
    received = channel(codes(COUNT), realization)
    inputs = receiver_inputs(received, channel, realization if known else None).double()
    assert inputs.shape == (COUNT, 2 * SYMBOLS + known)
    there = torch.ones(COUNT, dtype=torch.bool)
    if isinstance(realization, EchoRealization):
        there = realization.label == 1
    power = inputs[there, : 2 * SYMBOLS].square().mean(1)
    near(power.mean(), 1.0, float(power.std()), len(power))


def test_without_knowledge_the_inputs_are_the_received_symbols():
    channel = CodeChannel(0.0, "rayleigh")
    received = channel(codes(3), channel.draw(3, SYMBOLS, generator()))
    inputs = receiver_inputs(received, channel)
    # At 0 dB a symbol has power 2, one of its parts has 1.
    torch.testing.assert_close(paired(inputs), received)


def test_with_knowledge_a_code_comes_out_of_the_phase_and_the_frequency_shift():
    """Without noise the coherent inputs are the code times a positive number."""
    for channel in CHANNELS[1:]:
        realization = channel.draw(200, SYMBOLS, generator())
        silent = type(realization)(
            **{**vars(realization), "noise": torch.zeros_like(realization.noise)}
        )
        code = codes(200)
        inputs = receiver_inputs(channel(code, silent), channel, silent)
        modulus = inputs[:, -1]
        torch.testing.assert_close(modulus, realization.gain.abs())
        ratio = paired(inputs[:, :-1]) / code
        if isinstance(channel, EchoChannel):
            amplitude = channel.amplitudes()[realization.label]
        else:
            amplitude = torch.full((200,), math.sqrt(db_to_linear(channel.snr_db)))
        scale = 1 / math.sqrt((1 + db_to_linear(channel.snr_db)) / 2)
        expected = (amplitude * modulus * scale).unsqueeze(-1).expand_as(ratio)
        torch.testing.assert_close(ratio.real, expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(ratio.imag, torch.zeros_like(expected), atol=1e-4, rtol=0)


def test_a_gain_of_zero_is_no_nan():
    channel = CodeChannel(3.0, "rayleigh")
    realization = CodeRealization(torch.zeros(2, dtype=torch.complex64), torch.ones(2, 3) + 0j)
    inputs = receiver_inputs(channel(codes(2, 3), realization), channel, realization)
    assert bool(torch.isfinite(inputs).all())


def test_what_a_sensing_receiver_knows_does_not_give_the_target_away():
    """The known gain has the same distribution with and without a target, and in every range."""
    channel = EchoChannel(3.0, "rayleigh", ranges=2)
    realization = channel.draw(COUNT, 1, generator())
    inputs = receiver_inputs(channel(codes(COUNT, 1), realization), channel, realization)
    for label in range(3):
        modulus = inputs[realization.label == label, -1].double()
        near(modulus.square().mean(), 1.0, float(modulus.square().std()), len(modulus))


def test_knowing_the_channel_helps_a_simple_receiver():
    """Sign decisions of BPSK: Q(sqrt(2 g)) averaged over fading if known, a coin if not."""
    channel = CodeChannel(3.0, "rayleigh")
    realization = channel.draw(COUNT, 1, generator())
    bits = torch.randint(2, (COUNT, 1), generator=generator("bits"))
    received = channel((2.0 * bits - 1) + 0j, realization)

    def errors(known):
        inputs = receiver_inputs(received, channel, realization if known else None)
        return float(((inputs[:, :1] > 0) != bits.bool()).double().mean())

    snr = db_to_linear(3.0)
    theory = 0.5 * (1 - math.sqrt(snr / (1 + snr)))
    near(errors(True), theory, math.sqrt(theory * (1 - theory)))
    near(errors(False), 0.5, 0.5)


# Bad input


@pytest.mark.parametrize("kind", [CodeChannel, EchoChannel])
@pytest.mark.parametrize("snr_db", [math.nan, math.inf, "3"])
def test_the_snr_must_be_finite(kind, snr_db):
    with pytest.raises(ValueError, match=rf"snr_db must be a finite number, got {snr_db!r}"):
        kind(snr_db)


@pytest.mark.parametrize("kind", [CodeChannel, EchoChannel])
def test_the_fading_must_be_known(kind):
    with pytest.raises(ValueError, match="fading must be one of 'awgn', 'rayleigh', got 'rice'"):
        kind(3.0, "rice")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"ranges": 0}, "ranges must be an integer >= 1, got 0"),
        ({"ranges": 1.5}, "ranges must be an integer >= 1, got 1.5"),
        ({"range_step_db": -1}, "range_step_db must be a finite number >= 0, got -1"),
        ({"ways": "one"}, "ways must be one of 'independent', 'reciprocal', got 'one'"),
        ({"max_phase": 4}, r"max_phase must be a number in \[0, 3.14159\], got 4"),
        ({"max_phase": -0.1}, r"max_phase must be a number in \[0, 3.14159\], got -0.1"),
        ({"max_frequency": 0.6}, r"max_frequency must be a number in \[0, 0.5\], got 0.6"),
    ],
)
def test_echo_channels_are_checked(options, match):
    with pytest.raises(ValueError, match=match):
        EchoChannel(3.0, **options)


@EACH
@pytest.mark.parametrize("value", [0, -1, 1.5, None])
def test_draws_are_checked(channel, value):
    with pytest.raises(ValueError, match=rf"batch must be an integer >= 1, got {value}"):
        channel.draw(value, 3, generator())
    with pytest.raises(ValueError, match=rf"symbols must be an integer >= 1, got {value}"):
        channel.draw(3, value, generator())


@EACH
@pytest.mark.parametrize("shape", [(3, SYMBOLS), (4, SYMBOLS + 1), (4,)])
def test_a_realization_fits_its_codes_alone(channel, shape):
    realization = channel.draw(4, SYMBOLS, generator())
    match = rf"code must have the shape \[4, {SYMBOLS}\] of its realization, got \[{shape[0]}"
    with pytest.raises(ValueError, match=match):
        channel(torch.zeros(shape, dtype=torch.complex64), realization)
