"""All that a drawn figure shows, as plain data: to compare drawings before and after a change."""

from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_hex


def drawn_data(figure):
    """Curves, bars, areas and texts of a figure, in the order in which they are drawn."""
    figure.canvas.draw()
    return {
        "texts": [text.get_text() for text in figure.texts],
        "supxlabel": figure.get_supxlabel(),
        "legend": [[t.get_text() for t in legend.get_texts()] for legend in figure.legends],
        "size": [float(x) for x in figure.get_size_inches()],
        "axes": [_axes(axes) for axes in figure.axes],
    }


def _axes(axes):
    return {
        "labels": [axes.get_xlabel(), axes.get_ylabel(), axes.get_title()],
        "scales": [axes.get_xscale(), axes.get_yscale()],
        "limits": [_plain(axes.get_xlim()), _plain(axes.get_ylim())],
        "ticks": [_ticks(axis) for axis in (axes.xaxis, axes.yaxis)],
        "lines": [_line(line) for line in axes.get_lines()],
        "areas": [_area(one) for one in axes.collections],
        "patches": [
            [
                _plain(patch.get_path().vertices.ravel()),
                _plain(patch.get_transform().transform(patch.get_path().vertices).ravel()),
            ]
            for patch in axes.patches
        ],
        "texts": [[t.get_text(), *_plain(t.get_position())] for t in axes.texts],
        "legend": [t.get_text() for t in axes.get_legend().get_texts()]
        if axes.get_legend()
        else [],
    }


def _ticks(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def _line(line):
    x, y = line.get_data()
    label = line.get_label()
    return {
        "x": _plain(x),
        "y": _plain(y),
        "label": "" if str(label).startswith("_") else label,
        "look": [
            *(to_hex(line.get_color()), line.get_marker(), line.get_linestyle()),
            *(line.get_linewidth(), line.get_markersize(), line.get_alpha()),
            to_hex(line.get_markerfacecolor(), keep_alpha=True),
        ],
    }


def _area(one):
    """Bars of errors, shaded areas and scattered points."""
    kind = next(
        (
            k.__name__
            for k in (LineCollection, PolyCollection, PathCollection)
            if isinstance(one, k)
        ),
        type(one).__name__,
    )
    places = one.get_offsets() if kind == "PathCollection" else []
    return {
        "kind": kind,
        "paths": [_plain(path.vertices.ravel()) for path in one.get_paths()],
        "places": [_plain(place) for place in places],
        "colors": [
            to_hex(c, keep_alpha=True) for c in (*one.get_edgecolor(), *one.get_facecolor())
        ],
    }


def _plain(values):
    return [float(value) for value in values]
