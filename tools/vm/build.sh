#!/bin/bash
# Builds the kernel of `make vm-test` from Debian's kernel source: Linux as an ordinary process (User-Mode Linux) with the
# kernel's own simulated GPIO chips. Takes some minutes once; the result is kept in the cache of the tests, named by the
# hash of what it was made from. Prints the path of the kernel as its last line.
set -euo pipefail
cd "$(dirname "$0")"

source=$(find /usr/src -maxdepth 1 -name 'linux-source-*.tar.xz' | sort -V | tail -n 1)
[ -n "$source" ] || { echo "vm: no kernel source in /usr/src; run tools/setup.sh vm" >&2; exit 1; }

cache=${XDG_CACHE_HOME:-$HOME/.cache}/chargerd-tests
key=$({ echo "$source"; stat -c %s "$source"; cat build.sh kernel.config; } | sha256sum | cut -c 1-16)
kernel=$cache/uml-$key
mkdir -p "$cache"

# Two runs at once build it once.
exec 9>"$cache/uml-lock"
flock 9
if [ -x "$kernel" ]; then
    echo "$kernel"
    exit 0
fi

tree=$(mktemp -d "$cache/uml-build.XXXXXX")
trap 'rm -rf "$tree"' EXIT
log=$cache/uml-build.log

# step "what it does" command...: runs quietly and tells its time.
step() {
    local title=$1 started=$SECONDS
    shift
    printf 'vm: %s ... ' "$title" >&2
    if ! "$@" >"$log" 2>&1 </dev/null; then
        printf 'failed; the end of %s:\n' "$log" >&2
        tail -n 20 "$log" >&2
        exit 1
    fi
    printf '%d s\n' $((SECONDS - started)) >&2
}

# A simulated chip's interrupts get numbers of their own, beyond the fixed ones of this architecture; as it stands it has
# no others, and watching a line for edges would fail.
sparse_irqs() {
    sed -i 's/^\tselect TTY # Needed for line.c$/&\n\tselect SPARSE_IRQ/' arch/um/Kconfig
    sed -i 's/^#include <asm-generic\/irq.h>$/#define NR_IRQS_LEGACY NR_IRQS\n&/' arch/um/include/asm/irq.h
    grep -q '^.select SPARSE_IRQ$' arch/um/Kconfig && grep -q NR_IRQS_LEGACY arch/um/include/asm/irq.h
}

configure() {
    make ARCH=um defconfig
    scripts/kconfig/merge_config.sh -m .config "$config"
    make ARCH=um olddefconfig
    # An option that this kernel does not know or cannot have is dropped silently; here it is an error.
    while IFS='=' read -r option value; do
        case $option in
            CONFIG_*) [ "$value" = n ] && ! grep -q "^$option=" .config || grep -qx "$option=$value" .config ||
                { echo "this kernel does not take $option=$value"; return 1; } ;;
        esac
    done <"$config"
}

config=$PWD/kernel.config
step "unpacking $(basename "$source")" tar -C "$tree" --strip-components=1 -xf "$source"
cd "$tree"
step "giving simulated chips their interrupts" sparse_irqs
step "configuring the kernel" configure
step "building it (about ten minutes)" nice -n 19 make ARCH=um -j"$(nproc)" linux
strip -o "$kernel.new" linux
mv "$kernel.new" "$kernel"
# Kernels of an older recipe are of no use any more.
find "$cache" -maxdepth 1 -name 'uml-????????????????' ! -path "$kernel" -delete
echo "$kernel"
