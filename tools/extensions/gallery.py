"""Sphinx extension: ``{gallery}`` shows every figure of the book, with a link to its place."""

from collections.abc import Iterator

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class GalleryNode(nodes.General, nodes.Element):
    """Where the figures will be."""


class Gallery(SphinxDirective):
    """The directive, without arguments or content."""

    def run(self) -> list[nodes.Node]:
        """Leave a node that is filled when all pages have been read and numbered."""
        return [GalleryNode()]


def pages_in_order(app: Sphinx, page: str) -> Iterator[str]:
    """Pages below one, as the table of contents has them."""
    for child in app.env.toctree_includes.get(page, []):
        yield child
        yield from pages_in_order(app, child)


def make_card(app: Sphinx, page: str, home: str, figure: nodes.figure) -> nodes.Element:
    """One figure in small: its picture and caption, both leading to its place."""
    anchor = figure["ids"][0]
    target = f"{app.builder.get_relative_uri(home, page)}#{anchor}"
    number = ".".join(map(str, app.env.toc_fignumbers[page]["figure"][anchor]))
    picture = next(figure.findall(nodes.image)).deepcopy()
    picture["classes"], picture["loading"] = ["no-scaled-link"], "lazy"
    caption = next(figure.findall(nodes.caption)).deepcopy()
    for link in list(
        caption.findall(lambda node: isinstance(node, nodes.reference | pending_xref))
    ):
        link.replace_self(link.children)
    label = nodes.reference("", f"Figure {number}", refuri=target, internal=True)
    text = nodes.paragraph("", "", nodes.strong("", "", label), nodes.Text(" "), *caption.children)
    link = nodes.reference("", "", picture, refuri=target, internal=True)
    return nodes.container("", link, text, classes=["gallery-card"])


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the figures of all pages, in the book's order, in the place of the node."""
    for place in list(doctree.findall(GalleryNode)):
        parts: list[nodes.Node] = []
        for page in pages_in_order(app, app.config.root_doc):
            tree = app.env.get_doctree(page)
            figures = [node for node in tree.findall(nodes.figure) if node["ids"]]
            if figures:
                section = nodes.section("", ids=[f"figures-of-{page.rpartition('/')[2]}"])
                section += nodes.title("", app.env.titles[page].astext())
                cards = [make_card(app, page, docname, figure) for figure in figures]
                section += nodes.container("", *cards, classes=["gallery"])
                parts.append(section)
        place.replace_self(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.add_node(GalleryNode)
    app.add_directive("gallery", Gallery)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True}
