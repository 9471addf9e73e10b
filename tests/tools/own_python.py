"""The tree's own Python, for tests whose modules `./dev test --slow` installs there."""

import os
import pathlib
import sys


def rerun_or_skip(error):
    """After an ImportError: the same script in .venv, or exit code 77 where that lacks the module, too."""
    own = pathlib.Path(__file__).parents[2] / ".venv/bin/python"
    if own.exists() and pathlib.Path(sys.executable) != own:
        os.execv(own, [str(own), *sys.argv])
    print(f"SKIPPED: {error} (./dev test --slow installs it)")
    sys.exit(77)
