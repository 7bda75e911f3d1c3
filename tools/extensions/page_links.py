"""Sphinx extension: what a page says of itself, and the files that go with it.

A chapter's page offers its notebook, and, where ``repository: url:`` of ``_config.yml`` names a
repository on GitHub, opens it in Colab. The first page offers the PDF where ``make pdf`` has made
one. Every page has a description for search engines, and its words with accents are found without.
"""

import html
import re
import shutil
import unicodedata
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PDF = ROOT / "_build" / "pdf" / "isaclib.pdf"
GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def colab_address(repository: str, branch: str, notebook: str) -> str:
    """Address that opens a notebook of a repository in Colab; empty where there is no repository.

    Raises:
        ValueError: The repository is not one on GitHub, the only place that Colab opens.
    """
    if not repository:
        return ""
    named = GITHUB.fullmatch(repository)
    if named is None:
        raise ValueError(
            f"repository: url: of _config.yml must be https://github.com/OWNER/NAME or empty, "
            f"got {repository!r}"
        )
    return f"https://colab.research.google.com/github/{named[1]}/blob/{branch}/{notebook}"


def describe(doctree: nodes.document) -> str:
    """First sentences of a page, at most 160 characters."""
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, nodes.section) or any(paragraph.findall(nodes.math)):
            continue
        text = " ".join(paragraph.astext().split())
        if len(text) > 60:
            return text if len(text) <= 160 else text[:157].rsplit(" ", 1)[0] + " …"
    return ""


def name_without_accents(_app: Sphinx, doctree: nodes.document) -> None:
    """Give the search the words of a page as they are typed on most keyboards."""
    plain = set()
    for word in set(re.findall(r"[^\W\d_]+", doctree.astext())):
        letters = unicodedata.normalize("NFKD", word)
        bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
        if bare != word and bare.isascii():
            plain.add(bare)
    if plain:
        doctree.insert(0, nodes.meta(name="keywords", content=", ".join(sorted(plain))))


def offer(out: Path, file: Path) -> str:
    """Copy a file into the site and return its address from the site's root."""
    target = out / "_downloads" / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)
    return f"_downloads/{file.name}"


def complete_page(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Add the description, and under the title a line of links."""
    if doctree is None or "body" not in context:
        return
    text = describe(doctree) or f"{context['title']}: a page of {app.config.html_title}"
    context["metatags"] += f'<meta name="description" content="{html.escape(text)}">\n'
    out, pathto, links = Path(app.outdir), context["pathto"], []
    twin = ROOT / f"{page}.ipynb"
    if twin.is_file():
        links.append(
            (pathto(offer(out, twin), 1), "Download this chapter as a notebook", " download")
        )
        options = app.config.html_theme_options
        branch = options.get("repository_branch") or "main"
        address = colab_address(options.get("repository_url") or "", branch, f"{page}.ipynb")
        if address:
            links.append((address, "Open it in Colab", ""))
    if page == app.config.root_doc:
        # The theme would say the title twice.
        context["docstitle"] = ""
        if PDF.is_file():
            links.append((pathto(offer(out, PDF), 1), "Download the book as PDF", " download"))
    if links:
        line = " · ".join(f'<a href="{to}"{extra}>{words}</a>' for to, words, extra in links)
        context["body"] = context["body"].replace(
            "</h1>", f'</h1>\n<p class="page-links">{line}</p>', 1
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-read", name_without_accents)
    app.connect("html-page-context", complete_page)
    return {"parallel_read_safe": True}
