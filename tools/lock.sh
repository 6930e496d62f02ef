#!/bin/bash
# Rewrites requirements/*.txt from pyproject.toml: the newest versions that fit, with hashes, one file for every Python
# and platform we support. A maintainer's tool; nobody needs it to run or to test. It needs libsystemd-dev, as set-up does.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" --quiet --disable-pip-version-check install uv

compile() {
    "$tools/bin/uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
        --custom-compile-command "make lock" "$@"
}

# dev first: it holds everything; the others are constrained to the same versions.
compile --extra bench --extra dev pyproject.toml --output-file requirements/dev.txt
compile --extra bench pyproject.toml --constraint requirements/dev.txt --output-file requirements/bench.txt
sed -n '/^fuzz = \[/,/^\]/s/^ *"\(.*\)",$/\1/p' pyproject.toml |
    compile --no-deps - --output-file requirements/fuzz.txt
sed -n 's/^requires = \["\(.*\)"\]$/\1/p' pyproject.toml |
    compile - --constraint requirements/dev.txt --output-file requirements/build.txt
