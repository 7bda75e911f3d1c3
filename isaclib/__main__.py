"""``python -m isaclib`` is the ``isaclib`` command."""

from isaclib.cli import main

if __name__ == "__main__":
    main()
