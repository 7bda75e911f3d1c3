"""Properties that every operator on a batch has, over one list of all operators."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch

from isaclib.channels.narrowband import channel_state, target_echo
from isaclib.learning.networks import as_real, seeded
from isaclib.receivers.ratio_test import (
    log_map_ratio,
    log_posterior_ratio,
    map_gain,
    map_signal,
    maprt,
    matched_filter,
)
from isaclib.signal.arrays import (
    Sector,
    array_response,
    beampattern,
    element_positions,
    steering_vector,
)
from isaclib.signal.beamforming import combine_beams
from isaclib.signal.modulation import maximum_likelihood, qam
from isaclib.signal.noise import complex_normal, step_generator
from isaclib.systems.autoencoder.model import Autoencoder

K, BATCH = 5, 4
POSITIONS = element_positions(K)
SECTOR = Sector(-20, 20)
MODEL = {"positions": POSITIONS, "variance": 2.0}
GRID = steering_vector(SECTOR.grid(7), POSITIONS)
NETWORKS = seeded(Autoencoder, K, 4, SECTOR, Sector(30, 50), seed=0)

REAL, COMPLEX = "real", "complex"


def numbers(name, shape, kind, dtype=torch.float64):
    """Samples of a kind in the wanted precision; the same for each precision."""
    generator = step_generator(0, f"properties/{name}", 0)
    z = complex_normal(shape, generator=generator, dtype=torch.complex128)
    return z.to(dtype.to_complex()) if kind == COMPLEX else z.real.to(dtype)


@dataclass(frozen=True)
class Operator:
    """A function on batches, with what goes in and what comes out of it.

    Attributes:
        name: Name in the test's report.
        call: The function, on the ``batched`` arguments in their order.
        batched: Kind and shape, without the batch, of each argument that has a batch.
        shape: Shape of the result, without the batch.
        kind: Kind of the result.
        differentiable: Whether it has gradients for every argument.
    """

    name: str
    call: Callable[..., torch.Tensor]
    batched: tuple[tuple[str, tuple[int, ...]], ...]
    shape: tuple[int, ...]
    kind: str
    differentiable: bool = True

    def arguments(self, dtype=torch.float64, batch=BATCH):
        return [
            numbers(f"{self.name}/{i}", (BATCH, *shape), kind, dtype)[:batch]
            for i, (kind, shape) in enumerate(self.batched)
        ]


ANGLE, SCALAR, VECTOR = (REAL, ()), (COMPLEX, ()), (COMPLEX, (K,))
BEAM = numbers("beam", (K,), COMPLEX)


def cast(x, like):
    """A constant in the precision of an argument."""
    return x.to(like.dtype if like.is_complex() else like.dtype.to_complex())


def network(method):
    """A network as a function, in the precision of its first argument."""

    def call(*arguments):
        dtype = arguments[0].real.dtype if arguments[0].is_complex() else arguments[0].dtype
        try:
            return getattr(NETWORKS.to(dtype), method)(*arguments)
        finally:
            NETWORKS.float()

    return call


def echo(beam, symbols, theta, gain, noise):
    return target_echo(beam, symbols, theta=theta, gain=gain, noise=noise, positions=POSITIONS)


OPERATORS = [
    Operator("steering", lambda t: steering_vector(t, POSITIONS), (ANGLE,), (K,), COMPLEX),
    Operator(
        "response", lambda t: array_response(cast(BEAM, t), t, POSITIONS), (ANGLE,), (), COMPLEX
    ),
    Operator("pattern", lambda t: beampattern(cast(BEAM, t), t, POSITIONS), (ANGLE,), (), REAL),
    Operator("echo", echo, (VECTOR, SCALAR, ANGLE, SCALAR, VECTOR), (K,), COMPLEX),
    Operator(
        "echo of one beam",
        lambda *a: echo(cast(BEAM, a[0]), *a),
        (SCALAR, ANGLE, SCALAR, VECTOR),
        (K,),
        COMPLEX,
    ),
    Operator(
        "channel state",
        lambda v, t, b: channel_state(v, t, b, POSITIONS),
        (VECTOR, ANGLE, SCALAR),
        (),
        COMPLEX,
    ),
    Operator(
        "combined beam",
        lambda r: combine_beams(
            cast(BEAM, r), cast(BEAM.flip(0), r), torch.sigmoid(r), 2 * torch.cos(r)
        ),
        (ANGLE,),
        (K,),
        COMPLEX,
    ),
    Operator(
        "Eq. (14)",
        lambda z, a, t, y: log_posterior_ratio(z, a, t, y, **MODEL),
        (VECTOR, SCALAR, ANGLE, VECTOR),
        (),
        REAL,
    ),
    Operator(
        "Eq. (15)", lambda z, t, y: map_gain(z, t, y, **MODEL), (VECTOR, ANGLE, VECTOR), (), COMPLEX
    ),
    Operator(
        "Eq. (16)",
        lambda z, t, y: log_map_ratio(z, t, y, **MODEL),
        (VECTOR, ANGLE, VECTOR),
        (),
        REAL,
    ),
    Operator("Eq. (17)", lambda z, t: map_signal(z, t, POSITIONS), (VECTOR, ANGLE), (K,), COMPLEX),
    Operator("matched filter", lambda z: matched_filter(z, cast(GRID, z)), (VECTOR,), (7,), REAL),
    Operator("Eq. (18)", lambda z: maprt(z, POSITIONS, SECTOR)[0], (VECTOR,), (), REAL),
    Operator(
        "angle of Eq. (18)",
        lambda z: maprt(z, POSITIONS, SECTOR)[1],
        (VECTOR,),
        (),
        REAL,
        differentiable=False,
    ),
    Operator(
        "Eq. (11)",
        lambda z, k: maximum_likelihood(z, k, cast(qam(4), z)),
        (SCALAR, SCALAR),
        (),
        "integer",
        differentiable=False,
    ),
    Operator("real parts", as_real, (VECTOR,), (2 * K,), REAL),
    Operator("angle network", network("estimate_angle"), ((REAL, (2 * K,)),), (), REAL),
    Operator("uncertainty network", network("estimate_sigma"), ((REAL, (2 * K,)),), (), REAL),
    Operator("presence network", network("detect"), ((REAL, (2 * K,)),), (), REAL),
    Operator("receiver network", network("decode"), (SCALAR, SCALAR), (4,), REAL),
]
EACH = pytest.mark.parametrize("operator", OPERATORS, ids=lambda o: o.name)
DIFFERENTIABLE = pytest.mark.parametrize(
    "operator", [o for o in OPERATORS if o.differentiable], ids=lambda o: o.name
)
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


@EACH
@PRECISIONS
def test_shape_and_precision_follow_the_arguments(operator, dtype):
    for batch in (1, BATCH):
        found = operator.call(*operator.arguments(dtype, batch))
        assert found.shape == (batch, *operator.shape)
        expected = {REAL: dtype, COMPLEX: dtype.to_complex(), "integer": torch.int64}
        assert found.dtype == expected[operator.kind]


@EACH
def test_single_precision_is_double_precision_rounded(operator):
    single, double = (
        operator.call(*operator.arguments(t)).detach() for t in (torch.float32, torch.float64)
    )
    if operator.kind == "integer":
        assert torch.equal(single, double)
    else:
        torch.testing.assert_close(single.to(double.dtype), double, rtol=1e-4, atol=1e-4)


@EACH
def test_each_sample_is_treated_by_itself(operator):
    arguments = operator.arguments()
    together = operator.call(*arguments).detach()
    for i in range(BATCH):
        alone = operator.call(*(a[i : i + 1] for a in arguments)).detach()
        torch.testing.assert_close(alone[0], together[i])
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        operator.call(*(a[order] for a in arguments)).detach(), together[order]
    )


@EACH
def test_arguments_are_left_as_they_were(operator):
    arguments = operator.arguments()
    before = [a.clone() for a in arguments]
    operator.call(*arguments)
    for a, b in zip(arguments, before, strict=True):
        assert torch.equal(a, b)


@DIFFERENTIABLE
def test_gradients_equal_finite_differences(operator):
    arguments = [a.requires_grad_(True) for a in operator.arguments()]
    assert torch.autograd.gradcheck(operator.call, arguments)


@DIFFERENTIABLE
def test_gradients_of_one_sample_do_not_reach_another(operator):
    arguments = [a.requires_grad_(True) for a in operator.arguments()]
    first = operator.call(*arguments)[0]
    gradients = torch.autograd.grad(
        torch.view_as_real(first).sum() if first.is_complex() else first.sum(), arguments
    )
    for gradient in gradients:
        assert bool((gradient[1:] == 0).all())
