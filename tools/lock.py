"""Write requirements.lock from the packages that this environment holds.

Run as ``make lock`` after installing what pyproject.toml newly asks for, for example with
``.venv/bin/pip install --upgrade -e ".[book,test,cluster]"``.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Every package of the project's environment, pinned exactly, transitive ones too.
# `make lock` writes it. pyproject.toml says what is needed, this file which versions were tested.
# torch is the plain version, so pip takes whichever build the index offers: where only a CPU build
# is wanted, set PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu first.
"""
# pip comes with every virtual environment; a CUDA build of torch brings the CUDA libraries itself.
LEFT_OUT = re.compile(r"^(pip|isaclib|triton|nvidia[-_].*|cuda[-_].*)==", re.IGNORECASE)
LOCAL_VERSION = re.compile(r"\+[\w.]+$")


def main() -> None:
    """Write the lock file of the environment that runs this."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    pins = [LOCAL_VERSION.sub("", line) for line in listed if not LEFT_OUT.match(line)]
    unpinned = [pin for pin in pins if "==" not in pin]
    if unpinned:
        sys.exit(f"cannot pin what was not installed from an index: {', '.join(unpinned)}")
    (ROOT / "requirements.lock").write_text(HEADER + "\n".join(pins) + "\n", encoding="utf-8")
    print(f"requirements.lock: {len(pins)} packages")


if __name__ == "__main__":
    main()
