#!/bin/bash
# Set-up of a fresh Debian 12 or 13: apt packages, then a virtual environment in .venv with exactly the locked packages,
# and for the tests a few locked packages of Node.js.
#
#   tools/setup.sh bench    what `chargerd bench` needs
#   tools/setup.sh dev      that, and what the tests need
#   tools/setup.sh fuzz     one more package, for `make fuzz`; after dev
#   tools/setup.sh vm       Debian packages only: what builds the kernel of `make vm-test`
#
# One line per step with its time. What fails says in one line what is missing and what to do. A later run does nothing
# and costs some tens of milliseconds: the finished state is named by the hash of the files that define it.
set -euo pipefail
cd "$(dirname "$0")/.."

level=${1:-}
venv=.venv
log=$PWD/.setup.log

# systemd-python comes as source only: it is what needs a compiler, Python's headers and libsystemd's.
apt_bench="ca-certificates gcc libsystemd-dev pkgconf python3 python3-dev python3-venv"
# The page is tested in chromium; the services in a real systemd inside systemd-nspawn, on a root made by mmdebstrap; a
# maker's keys in the token that softhsm2 is, by way of opensc.
apt_dev="chromium chromium-driver dbus mmdebstrap opensc openssl rt-tests softhsm2 systemd systemd-container util-linux"
# RAUC, which installs whole systems, on a bus of its own; and what makes a root with dm-verity.
apt_dev="$apt_dev cryptsetup-bin rauc rauc-service squashfs-tools"
# A software TPM for the keys, and with the tools the libraries to reach any TPM.
apt_dev="$apt_dev swtpm tpm2-tools"
# OpenSSL's provider for TPMs: Debian 12 has 1.1, which cannot do TLS; there it comes from Debian 13's archive (below).
debian=$(sed -n 's/^VERSION_ID="\([0-9]*\)"$/\1/p' /etc/os-release 2>/dev/null)
debian=${debian:-13}
[ "$debian" -lt 13 ] || apt_dev="$apt_dev tpm2-openssl"
# A second CSMS, for the tests, comes from the npm registry; a Node.js of another origin has its own npm.
command -v npm >/dev/null || apt_dev="$apt_dev nodejs npm"

# The kernel with simulated GPIO chips is built from Debian's own source (tools/vm/build.sh).
apt_vm="bc bison flex gcc libelf-dev linux-source make xz-utils"

case $level in
    bench) packages=$apt_bench locks="requirements/bench.txt" need_mb=500 ;;
    dev) packages="$apt_bench $apt_dev" locks="requirements/dev.txt" need_mb=1500 ;;
    fuzz) packages=$apt_bench locks="requirements/fuzz.txt" need_mb=100 ;;
    vm) packages=$apt_vm locks="" need_mb=3000 ;;
    *) echo "usage: tools/setup.sh bench|dev|fuzz|vm" >&2; exit 2 ;;
esac

fail() {
    printf 'set-up failed: %s\n' "$*" >&2
    exit 1
}

# step "what it does" command...: runs quietly, prints one line, explains a failure from the log.
step() {
    local title=$1 started=$SECONDS
    shift
    printf 'set-up: %s ... ' "$title"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        printf 'failed\n'
        fail "$title: $(reason); all of it is in $log"
    fi
    printf '%d s\n' $((SECONDS - started))
}

# The usual causes in the words of the person who can cure them; otherwise the tool's own last error.
reason() {
    local pattern advice
    while IFS='|' read -r pattern advice; do
        if grep -qiE "${pattern//;/|}" "$log"; then
            echo "$advice"
            return
        fi
    done <<'END'
No space left;enough free space|the disk is full, free some space and run it again
Could not get lock;Unable to acquire the dpkg|another apt or dpkg is running, wait for it and run it again
Temporary failure resolving;Could not resolve;Name or service not known;Failed to establish;NewConnectionError;Could not connect;Network is unreachable;ConnectTimeout|no network, connect the machine and run it again
CERTIFICATE_VERIFY_FAILED;certificate verification failed|the TLS certificate of the server is not trusted, check the clock and ca-certificates
DO NOT MATCH THE HASHES;Hash Sum mismatch|a downloaded package is not the locked one, run it again and report it if it stays
Unable to locate package;has no installation candidate|a package is not in this release's archive, Debian 12 or 13 is needed
END
    if [ ! -s "$log" ]; then
        echo "it said nothing; $PWD has $(free_mb .) MB free"
    else
        grep -E '^(E:|ERROR:|error:|Error:)|Error: ' "$log" | tail -n 1 || tail -n 1 "$log"
    fi
}

# ---- 1. Debian packages -------------------------------------------------------------------------------------------------
missing_packages() {
    # shellcheck disable=SC2086  # the lists are words
    { dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>/dev/null || true; } |
        awk -v all="$packages" '$1 == "installed" { have[$2] = 1 }
            END { n = split(all, want, " "); for (i = 1; i <= n; i++) if (!(want[i] in have)) printf "%s ", want[i] }'
}

install_packages() {
    local missing sudo=""
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        # sudo asks for its password here, where the question can be seen.
        { [ -t 0 ] && sudo -v; } || sudo -n true 2>/dev/null ||
            fail "Debian packages are missing and sudo is not here or refused; as root run: apt-get install $missing"
        sudo="sudo -n"
    fi
    enough_space /var "$need_mb"
    step "reading the package lists" $sudo apt-get -qq -o APT::Update::Error-Mode=any update
    # shellcheck disable=SC2086
    step "installing ${missing% }" $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing
}

free_mb() {
    df -Pm "$1" | awk 'NR == 2 { print $4 }'
}

enough_space() {
    [ "$(free_mb "$1")" -ge "$2" ] ||
        fail "$1 has $(free_mb "$1") MB free and $2 MB are needed: free some space and run it again"
}

# ---- 2. Virtual environment ---------------------------------------------------------------------------------------------
# The first of python3 in PATH (it may be pyenv's) and Debian's that is new enough and can build an environment.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" - 2>/dev/null <<'END'
import ensurepip, pathlib, sys, sysconfig, venv
sys.exit(sys.version_info < (3, 11) or not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())
END
        then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

build_environment() {
    local python pip="$venv/bin/python -m pip --quiet --disable-pip-version-check install"
    # An environment whose interpreter went away (an upgraded Debian) or is too old is made anew; a sound one is kept.
    if ! "$venv/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$(find_python) || fail "no python3 >= 3.11 with venv and headers: use Debian 12 or newer, or put one first in PATH"
        enough_space "$PWD" "$need_mb"
        step "making $venv with $("$python" --version)" "$python" -m venv --clear "$venv"
    fi
    # The build tool first, from its own lock: what is built from source then builds with that and nothing unlocked.
    step "installing the build tool" $pip --require-hashes -r requirements/build.txt
    step "installing the locked Python packages" $pip --require-hashes --no-build-isolation --use-pep517 -r "$locks"
    step "installing chargerd itself" $pip --no-deps --no-build-isolation -e .
    [ "$level" != dev ] || [ "$debian" -ge 13 ] || install_provider
    [ "$level" != dev ] || step "installing the second CSMS" npm ci --prefix tests/second_csms --ignore-scripts --no-audit --no-fund
}

# ---- 3. OpenSSL's provider for TPMs on Debian 12 ----------------------------------------------------------------------------
provider_version=1.3.0-1
provider_hashes="
amd64 ce4447d8d2a75207e4710700c7c69588626f376982b93fbb44e0e75d47ce4845
arm64 106c56b87f678d5abcfa7f39b2dfe208ec2e86d0bf6dc7f92d7212fe7d657825
armhf 48666318c442dffae18b245d20a8ee95b86f0409a2275e4ce562d278d1574cac
"

# One file of one package: it needs no library that Debian 12 does not have.
install_provider() {
    local architecture hash mirror folder
    architecture=$(dpkg --print-architecture)
    hash=$(awk -v wanted="$architecture" '$1 == wanted { print $2 }' <<<"$provider_hashes")
    [ -n "$hash" ] || fail "there is no TPM provider for $architecture: use amd64, arm64 or armhf"
    # Any mirror of Debian has all its releases in one pool: the one that apt uses here will do.
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m 1 '/debian$') ||
        fail "apt has no mirror of Debian (…/debian) to take OpenSSL's TPM provider from: add one to its sources"
    folder=$(mktemp -d)
    step "downloading OpenSSL's TPM provider" /usr/lib/apt/apt-helper download-file \
        "$mirror/pool/main/t/tpm2-openssl/tpm2-openssl_${provider_version}_$architecture.deb" \
        "$folder/provider.deb" "SHA256:$hash"
    step "unpacking OpenSSL's TPM provider" dpkg-deb -x "$folder/provider.deb" "$folder"
    mkdir -p "$venv/lib/ossl-modules"
    cp "$folder"/usr/lib/*/ossl-modules/tpm2.so "$venv/lib/ossl-modules/tpm2.so"
    rm -r "$folder"
}

# ---- in order -----------------------------------------------------------------------------------------------------------
if command -v dpkg-query >/dev/null; then
    install_packages
else
    echo "set-up: this is not Debian; what it calls \"$packages\" must be here already"
fi

[ "$level" != vm ] || exit 0

# What the environment depends on: where it stands, its interpreter, and the files that say what goes into it.
state() {
    { pwd; readlink -f "$venv/bin/python"; cat tools/setup.sh pyproject.toml requirements/*.txt tests/second_csms/package-lock.json; } | sha256sum
}

done_file=$venv/set-up-$level
if [ "$(cat "$done_file" 2>/dev/null)" != "$(state)" ]; then
    build_environment
    state >"$done_file"
    # The environment of the tests holds all that the bench needs.
    [ "$level" != dev ] || cp "$done_file" "$venv/set-up-bench"
    rm -f "$log"
fi
