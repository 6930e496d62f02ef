#!/bin/bash
# Process 1 of the virtual machine: mounts what the tests need, runs them, leaves pytest's status and switches off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1 NO_COLOR=1

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t configfs configfs /sys/kernel/config
# The host's own /tmp would hide VM_WORK below it, so the tests get theirs elsewhere.
mount -t tmpfs tmpfs /mnt
export TMPDIR=/mnt

cd "$VM_REPOSITORY" || exit 1
mapfile -t arguments <"$VM_WORK/arguments"
.venv/bin/python -m pytest -p no:cacheprovider "${arguments[@]}"
echo $? >"$VM_WORK/status"
sync
.venv/bin/python -c "import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)"  # LINUX_REBOOT_CMD_POWER_OFF
