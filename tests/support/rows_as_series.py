"""Results of rows as named series, for tests of all papers at once, until all are ported."""

from isaclib.experiments.series.result_types import Quantity, Result, Series
from isaclib.experiments.stored import load_result

OLD = {"maximum likelihood": "calibration"}


def load_series(figure, directory):
    result = load_result(figure, directory)
    return result if isinstance(result, Result) else as_series(result)


def as_series(result):
    """Rows that differ in numbers alone are a series, which is called as it was before."""
    groups = {}
    coordinates = result.rows.coordinates
    for index in range(len(result.rows)):
        at = {name: column[index] for name, column in coordinates.items()}
        system = OLD.get(at.get("system"), at.get("variation") or at.get("system"))
        name = at.get("filter") or f"{system}/{at['array']}"
        groups.setdefault(name, []).append(index)
    series = []
    for name, rows in groups.items():
        table = result.rows.take(rows)
        numbers = ("iteration", "ratio", "samples", "eta", "phi", "order")
        found = {
            key: Quantity(key, table[key].values)
            for key in numbers
            if key in coordinates and None not in table.at(key)
        }
        for key, q in table.quantities.items():
            found[key] = Quantity(key, q.values, q.low, q.high, q.count, q.unit)
        series.append(Series(name, found))
    return Result(result.figure, result.preset, result.config, series, result.provenance)
