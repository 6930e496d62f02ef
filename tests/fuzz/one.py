"""One target under a coverage-guided fuzzer: `python -m tests.fuzz.one NAME FOLDER... [libFuzzer's options]`."""

import sys

import atheris

OURS = ["chargerd", "hal", "firmware"]


def main() -> None:
    """Runs until libFuzzer's options say stop; a finding ends the process and leaves its bytes in a file."""
    with atheris.instrument_imports(include=OURS, enable_loader_override=False):
        from tests.fuzz.targets import TARGETS

        run = TARGETS[sys.argv[1]]()
    # When it merges, libFuzzer hands its first word to a shell, to start the like of itself.
    itself = f"{sys.executable} -m tests.fuzz.one {sys.argv[1]}"
    atheris.Setup([itself, *sys.argv[2:]], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
