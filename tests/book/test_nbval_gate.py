"""The gates hold: a twin that is wrong and a chapter that fails stop ``make test`` / ``make book``.

A gate that never closes looks the same as one that has nothing to stop. So each is given a tiny
notebook that is sound, which has to pass, and the same one broken, which has to fail.
"""

import subprocess
import sys

import nbformat
import pytest
from workbench import copy_recipes, environment, make_command

PAGE = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A page

```{{code-cell}} ipython3
{code}
```

{text}
"""


def write_twin(path, outputs):
    """A notebook of two cells that print 2 and 5, with the given outputs."""
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    )
    for count, (source, text) in enumerate(
        zip(("print(1 + 1)", "print(2 + 3)"), outputs, strict=True), start=1
    ):
        output = nbformat.v4.new_output("stream", name="stdout", text=f"{text}\n")
        notebook.cells.append(
            nbformat.v4.new_code_cell(source, execution_count=count, outputs=[output])
        )
    nbformat.write(notebook, path)
    return path


def run_nbval(path):
    return subprocess.run(
        [*(sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider"), str(path)],
        cwd=path.parent,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_nbval_passes_a_sound_twin(tmp_path):
    done = run_nbval(write_twin(tmp_path / "sound.ipynb", ("2", "5")))
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_nbval_fails_a_twin_with_one_changed_number(tmp_path):
    done = run_nbval(write_twin(tmp_path / "changed.ipynb", ("2", "6")))
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 passed" in done.stdout


def build_book(folder, code="print(1)", text="Text."):
    """Run the project's own ``make book`` on a book of one page."""
    copy_recipes(folder, "_static", "tools/extensions")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n", encoding="utf-8")
    (folder / "references.bib").write_text("", encoding="utf-8")
    (folder / "references.md").write_text("# References\n", encoding="utf-8")
    page = PAGE.format(code=code, text=text)
    (folder / "index.md").write_text(page, encoding="utf-8")
    return subprocess.run(
        make_command("book"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_book_builds_from_a_sound_page(tmp_path):
    done = build_book(tmp_path)
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "_build" / "html" / "index.html").exists()


@pytest.mark.parametrize(
    ("code", "text", "complaint"),
    [
        ("raise RuntimeError('the cell failed')", "Text.", "the cell failed"),
        ("import sys; print('beware', file=sys.stderr)", "Text.", "stderr"),
        ("print(1)", "See {eq}`no-such-equation`.", "no-such-equation"),
    ],
    ids=["failing cell", "cell that warns", "broken reference"],
)
def test_book_fails(tmp_path, code, text, complaint):
    done = build_book(tmp_path, code, text)
    assert done.returncode != 0, done.stdout
    assert complaint in done.stdout
    # So the next `make book` tries again.
    assert not (tmp_path / "_build" / "html" / ".built").exists()
