"""A paper with two small figures and three claims, for the tests of the command line."""

import time
from dataclasses import dataclass

import series_tasks

from isaclib.experiments.engine.claims import Verdict
from isaclib.experiments.series.claims import Claim
from isaclib.experiments.series.figures import FigureSpec
from isaclib.experiments.series.results import Quantity, Result, Series, provenance, save_weights
from isaclib.experiments.series.sweep import Task


@dataclass(frozen=True)
class Config:
    """Parameters of the fake figures."""

    points: int
    scale_db: tuple[float, float] = (0.0, 10.0)
    wait: str = ""
    fail: str = ""


def run(context):
    """Square some numbers, and keep one of them as weights."""
    import torch

    started = time.perf_counter()
    config = context.config
    tasks = [
        Task(f"x-{x}", {"x": x, "wait": config.wait if x > 1 else "", "fail": config.fail})
        for x in range(config.points)
    ]
    found = context.sweep.map(series_tasks.square, tasks, context.state, label=context.figure)
    name = f"{context.figure}.safetensors"
    digest = save_weights(context.state / name, {"w": torch.full((2,), float(context.seed))})
    squares = [float(one["square"]) for one in found]
    series = Series(
        "squares",
        {
            "x": Quantity("x", [float(x) for x in range(config.points)]),
            "y": Quantity("y", squares, squares, squares, [1000] * config.points),
        },
    )
    return Result(
        context.figure,
        context.preset,
        {"points": config.points},
        [series],
        provenance(
            seed=context.seed, device=context.device, started=started, weights={name: digest}
        ),
    )


def run_another(context):
    """Return a result of something else than was asked for."""
    result = run(context)
    return Result("p9-other", result.preset, result.config, result.series, result.provenance)


def draw(result):
    """Draw the squares."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot(result["squares"]["x"].values, result["squares"]["y"].values)
    return figure


PRESETS = {"smoke": Config(2), "desk": Config(3), "paper": Config(4)}
FIGURES = [
    FigureSpec("p9-fig1", "p9", "Squares of numbers", PRESETS, run, draw),
    FigureSpec("p9-fig2", "p9", "Squares again", {"smoke": Config(2)}, run, draw),
    FigureSpec("p9-bad", "p9", "A task fails", {"desk": Config(1, fail="no\nluck")}, run, draw),
    FigureSpec("p9-wrong", "p9", "Another result", {"desk": Config(1)}, run_another, draw),
]


def grows(results):
    """Check that the squares grow."""
    values = results["p9-fig1"]["squares"]["y"].values
    status = "reproduced" if values == sorted(values) else "not reproduced"
    return Verdict(status, f"the largest square is {max(values):g} [sic]")


def looks_for_what_is_not_there(results):
    """Look for a series that the result does not have."""
    return Verdict("partly", f"{results['p9-fig1']['cubes']}")


CLAIMS = [
    Claim("p9-grow", "p9", ("Fig. 1",), "Squares grow.", "Sorted.", ("p9-fig1",), grows),
    Claim(
        "p9-same",
        "p9",
        ("Fig. 1", "Fig. 2"),
        "Both figures agree.",
        "Equal.",
        ("p9-fig1", "p9-fig2"),
        lambda results: Verdict("partly", "some do", presets=("smoke",)),
    ),
    Claim("p9-none", "p9", (), "Nothing to see.", "-", (), lambda _: Verdict("not tested", "-")),
]
