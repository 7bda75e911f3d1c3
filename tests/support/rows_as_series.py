"""Results of rows as named series, for tests of all papers at once, until all are ported."""

import math

from isaclib.experiments.series.result_types import Quantity, Result, Series
from isaclib.experiments.stored import load_result

OLD = {"maximum likelihood": "calibration", "phase": "phase_rad", "array": "draw"}
NUMBERS = (
    *("iteration", "ratio", "samples", "eta", "phi", "order"),
    *("omega_r", "rho", "phase", "array", "angle_deg"),
)


def load_series(figure, directory):
    result = load_result(figure, directory)
    return result if isinstance(result, Result) else as_series(result)


def p1_name(figure, at):
    """What the series of P1's rows were called."""
    system, end = at.get("system"), "/model-based" if at.get("receivers") == "classical" else ""
    if figure == "p1-maprt":
        name = at["check"]
    elif figure == "p1-fig3":
        key = "rho" if system == "baseline" else "omega_r"
        name = f"{key.removesuffix('_r')}={at[key]:g}"
    elif figure == "p1-penalty" and system != "nominal":
        name = f"{at['model']}/{at['std_wavelengths']:.4f}"
    elif figure == "p1-sequential":
        name = f"{at['schedule']}/{at['repetition']}{end}"
    elif system == "autoencoder":
        own = ("model", "array") if figure == "p1-fig5" else ("unit", "repetition")
        name = f"autoencoder/{at[own[0]]}/{at[own[1]]}{end}"
    elif figure == "p1-fig5":
        name = f"baseline/{at['model']}/{system}/{at['array']}"
    else:
        name = system
    return name


def as_series(result):
    """Rows that differ in numbers alone are a series, which is called as it was before."""
    groups = {}
    coordinates = result.rows.coordinates
    for index in range(len(result.rows)):
        at = {name: column[index] for name, column in coordinates.items()}
        if result.figure.startswith("p1-"):
            name = p1_name(result.figure, at)
        else:
            system = OLD.get(at.get("system"), at.get("variation") or at.get("system"))
            name = at.get("filter") or f"{system}/{at['array']}"
        groups.setdefault(name, []).append(index)
    series = []
    for name, rows in groups.items():
        table = result.rows.take(rows)
        found = {
            OLD.get(key, key): Quantity(key, table[key].values)
            for key in NUMBERS
            if key in coordinates and None not in table.at(key)
        }
        for key, q in table.quantities.items():
            if any(not math.isnan(v) for v in q.values) or any(q.count or ()):
                found[key] = Quantity(key, q.values, q.low, q.high, q.count, q.unit)
        series.append(Series(name, found))
    return Result(result.figure, result.preset, result.config, series, result.provenance)
