"""Sphinx extension of the PDF alone: equations and long tables as LaTeX wants them."""

from docutils import nodes
from sphinx.application import Sphinx

# Rows that no longer fit on a page, and characters that no longer fit on a line: there LaTeX's own
# columns would not wrap, or not well.
LONG, WIDE = 25, 150
COLUMN = (9, 60)


def unwrap_equations(_app: Sphinx, doctree: nodes.document) -> None:
    r"""Take displayed equations out of Sphinx's ``split``, which allows no ``\tag``."""
    for block in doctree.findall(nodes.math_block):
        if not block.get("nowrap") and not block.get("label"):
            text = f"\\begin{{equation*}}\n{block.astext().strip()}\n\\end{{equation*}}"
            block.children = [nodes.Text(text)]
            block["nowrap"] = True


def set_widths(_app: Sphinx, doctree: nodes.document) -> None:
    """Give the columns of large tables widths that follow what they hold."""
    for table in doctree.findall(nodes.table):
        rows = [list(row.findall(nodes.entry)) for row in table.findall(nodes.row)]
        longest = [
            max(len(entry.astext()) for entry in column) for column in zip(*rows, strict=True)
        ]
        if len(rows) > LONG or sum(longest) > WIDE:
            for spec, length in zip(table.findall(nodes.colspec), longest, strict=True):
                spec["colwidth"] = min(max(length, COLUMN[0]), COLUMN[1])
            table["classes"] = ["longtable", "colwidths-given"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-read", unwrap_equations)
    app.connect("doctree-read", set_widths)
    return {"parallel_read_safe": True}
