#!/bin/bash
# Boots the kernel of build.sh on this machine's own files and runs pytest inside: tools/vm/run.sh [pytest arguments].
# The exit status is pytest's; a kernel that does not come back in time counts as failed.
set -euo pipefail
cd "$(dirname "$0")/../.."

kernel=$(tools/vm/build.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s\n' "$@" >"$work/arguments"

# What the kernel does not know of its command line it gives to init as environment.
TMPDIR=/dev/shm timeout --kill-after=10 "${VM_TIMEOUT_S:-900}" "$kernel" \
    mem=1G root=/dev/root rootfstype=hostfs rootflags=/ rw quiet panic=-1 con=null con0=null,fd:1 \
    init="$PWD/tools/vm/init.sh" VM_REPOSITORY="$PWD" VM_WORK="$work" </dev/null || true

if [ ! -s "$work/status" ]; then
    echo "vm: the kernel ended before the tests did" >&2
    exit 1
fi
exit "$(cat "$work/status")"
