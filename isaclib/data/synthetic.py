"""Textured shapes: what the synthetic images of :mod:`isaclib.data.images` show."""

from __future__ import annotations

import math

import torch

# Labels 2 to 7, the animals of CIFAR-10, are the round shapes.
SHAPES = ("square", "disc", "ring", "crescent", "triangle")
TEXTURES = ("striped", "spotted")
CLASSES = tuple(f"{texture} {shape}" for shape in SHAPES for texture in TEXTURES)

_SIDE = 32
_EDGE = 12.0
"""Steepness of the edges: a shape fades over about three pixels."""


def draw(labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw one image ``[count, 3, 32, 32]``, uint8, for each label ``[count]``, on the CPU."""
    u, v = _coordinates(len(labels), generator)
    shape, texture = labels // len(TEXTURES), labels % len(TEXTURES)
    radius = torch.hypot(u, v)
    sides = [math.cos(a) * u + math.sin(a) * v for a in (0.0, 2 * math.pi / 3, 4 * math.pi / 3)]
    # Positive inside each of the shapes, which have about unit radius.
    inside = torch.stack(
        [
            0.8 - torch.maximum(u.abs(), v.abs()),
            0.95 - radius,
            0.25 - (radius - 0.75).abs(),
            torch.minimum(0.95 - radius, torch.hypot(u - 0.5, v) - 0.7),
            0.5 - torch.stack(sides).amax(0),
        ]
    )
    mask = torch.sigmoid(_EDGE * inside[shape, torch.arange(len(labels))]).unsqueeze(1)
    stripes = torch.sin(2 * math.pi * 1.6 * u)
    spots = stripes * torch.sin(2 * math.pi * 1.6 * v)
    pattern = torch.where(texture.view(-1, 1, 1) == 0, stripes, 1.5 * spots).unsqueeze(1)
    colours = torch.rand(3, len(labels), 3, 1, 1, generator=generator)
    ground, front, back = colours[0], colours[1], colours[2]
    # Darker on one side: a background without structure would make the task too easy.
    slope = torch.rand(len(labels), 1, 1, 1, generator=generator) - 0.5
    shade = slope * torch.linspace(-1, 1, _SIDE).view(1, 1, 1, -1)
    textured = torch.lerp(front, back, torch.sigmoid(4 * pattern))
    noise = 0.03 * torch.randn(len(labels), 3, _SIDE, _SIDE, generator=generator)
    pixels = torch.lerp(ground + shade, textured, mask) + noise
    return pixels.clamp(0, 1).mul(255).round().to(torch.uint8)


def _coordinates(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates of the pixels in each shape, turned and scaled: ``[count, 32, 32]``, twice."""
    place, radius, turn = (torch.rand(n, count, 1, 1, generator=generator) for n in (2, 1, 1))
    place, radius, turn = 0.5 * (place - 0.5), 0.45 + 0.3 * radius[0], 2 * math.pi * turn[0]
    axis = torch.linspace(-1, 1, _SIDE)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    x, y = (x - place[0]) / radius, (y - place[1]) / radius
    return x * turn.cos() + y * turn.sin(), y * turn.cos() - x * turn.sin()
