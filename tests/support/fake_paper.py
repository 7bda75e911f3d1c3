"""A paper with a few small figures and three claims, for the tests of the engine and of the CLI."""

from dataclasses import dataclass, replace

from sweep_tasks import Square, Train

from isaclib.experiments.engine.claims import Claims, Verdict
from isaclib.experiments.engine.panels import Drawing, Line, Panel
from isaclib.experiments.engine.results import Result, load_result
from isaclib.experiments.engine.rows import FigureSpec, Row
from isaclib.experiments.engine.runs import Request, run
from isaclib.experiments.engine.sweep import Sweep


@dataclass(frozen=True)
class Config:
    """Parameters of the fake figures."""

    points: int
    scale_db: tuple[float, float] = (0.0, 10.0)
    wait: str = ""
    fail: str = ""


def rows(c, seed):
    """Squares of numbers."""
    for x in range(c.points):
        yield Row({"system": "squares", "x": x}, Square(x, c.wait if x > 1 else "", c.fail))


def trained(c, seed):
    """A training whose weights begin with the seed."""
    yield Row({"system": "counting"}, Train(float(seed), marks=(0, c.points)))


UNITS = {"y": "1", "nan": "1"}
DRAWING = Drawing(lambda c: [Panel("x", "y", [Line({"system": "squares"})])])
PRESETS = {"smoke": Config(2), "desk": Config(3), "paper": Config(4)}
FIG1 = FigureSpec("p9-fig1", "Squares of numbers", PRESETS, rows, UNITS, DRAWING, trained)
FIG2 = replace(
    FIG1, id="p9-fig2", title="Squares again", presets={"smoke": Config(2)}, builds_on=("p9-fig1",)
)
BAD = replace(FIG1, id="p9-bad", title="A task fails", presets={"desk": Config(1, fail="no\nluck")})
WRONG = replace(FIG1, id="p9-wrong", title="No unit", presets={"desk": Config(1)}, units={"z": "1"})
FIGURES = [FIG1, FIG2, BAD, WRONG]

CLAIMS = Claims("p9")


@CLAIMS.claim("p9-grow", "Fig. 1", says="Squares grow.", criterion="Sorted.", needs="p9-fig1")
def grows(fig1: Result) -> Verdict:
    """Check that the squares grow."""
    values = fig1.where(system="squares")["y"].values
    status = "reproduced" if values == sorted(values) else "not reproduced"
    return Verdict(status, f"the largest square is {max(values):g} [sic]")


@CLAIMS.claim(
    *("p9-same", "Fig. 1", "Fig. 2"),
    says="Both figures agree.",
    criterion="Equal.",
    needs=("p9-fig1", "p9-fig2"),
)
def same(fig1: Result, fig2: Result) -> Verdict:
    """Say so, of one preset."""
    return Verdict("partly", "some do", presets=("smoke",))


@CLAIMS.claim("p9-none", says="Nothing to see.", criterion="-")
def none() -> Verdict:
    """Test nothing."""
    return Verdict("not tested", "-")


def looks_for_what_is_not_there(fig1):
    """Look for rows that the result does not have."""
    return Verdict("partly", f"{fig1.where(system='cubes')}")


def store(spec, preset, folder, seed=0, **options):
    """Run a figure and store it below a folder, as the command line would, and read it back."""
    request = Request(spec, preset, seed, "cpu", folder / "results", folder / "runs", **options)
    run(request, Sweep(progress=False))
    return load_result(spec.id, folder / "results")
