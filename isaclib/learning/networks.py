"""Building blocks that the papers' neural networks share."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from isaclib._validation import check_nonnegative_int

_Module = TypeVar("_Module", bound=nn.Module)


def seeded(make: Callable[..., _Module], *sizes: Any, seed: int, **options: Any) -> _Module:
    """Network with initial parameters from a seed; PyTorch's own generator stays as it was."""
    check_nonnegative_int("seed", seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make(*sizes, **options)


def feed_forward(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Fully connected network with ReLU between its layers and a linear output."""
    sizes = (inputs, *hidden, outputs)
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def as_real(signal: torch.Tensor) -> torch.Tensor:
    """Real, then imaginary parts, P1 Sec. IV-C: ``[..., features]`` to ``[..., 2 * features]``."""
    return torch.cat([signal.real, signal.imag], dim=-1)


def unit_beam(outputs: torch.Tensor) -> torch.Tensor:
    """Beam of unit norm from a network's outputs: ``[..., 2 * antennas]`` to ``[..., antennas]``.

    The inverse of :func:`as_real` up to a scale.
    """
    # The norm of the real and imaginary parts is the same, and a complex one is slow in PyTorch.
    norm = torch.linalg.vector_norm(outputs, dim=-1, keepdim=True)
    real, imag = (outputs / norm).chunk(2, dim=-1)
    return torch.complex(real, imag)


def unit_power(points: torch.Tensor) -> torch.Tensor:
    """Constellation ``[order]``, complex, of unit average power from outputs ``[order, 2]``."""
    symbols = torch.view_as_complex(points)
    return symbols / symbols.abs().square().mean().sqrt()


def count_parameters(*modules: nn.Module) -> int:
    """Number of real trainable parameters; a complex one counts as two."""
    return sum(p.numel() for module in modules for p in module.parameters())


def load_parameters(module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Put stored weights into a module, in place.

    Raises:
        ValueError: If a name is missing or unknown, or a tensor has another shape; the module is
            left as it was.
    """
    expected = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if expected.keys() != found.keys():
        raise ValueError(f"weights must hold {sorted(expected)}, got {sorted(found)}")
    for name, shape in expected.items():
        if found[name] != shape:
            raise ValueError(
                f"weights must have the sizes of the {type(module).__name__} that they are for: "
                f"{name!r} of shape {list(shape)}, got {list(found[name])}"
            )
    module.load_state_dict(dict(weights))
