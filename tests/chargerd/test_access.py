"""Roles: who the kernel says is calling, and what that allows."""

import grp
import os
import socket

import pytest

from chargerd.access import GROUPS, STACK_VERBS, VERBS, Caller, Gate, Role, caller_of, gate_of_this_machine, how_to_get

READ, OPERATE, REPAIR, OTHER = 11, 12, 13, 14
GATE = Gate({Role.READER: READ, Role.OPERATOR: OPERATE, Role.TECHNICIAN: REPAIR}, frozenset({0, 990}))


@pytest.mark.parametrize(
    "uid, gids, role",
    [
        (1000, {OTHER}, Role.NOBODY),
        (1000, set(), Role.NOBODY),
        (1000, {READ}, Role.READER),
        (1000, {OTHER, OPERATE}, Role.OPERATOR),
        (1000, {REPAIR}, Role.TECHNICIAN),
        (1000, {READ, OPERATE, REPAIR}, Role.TECHNICIAN),
        (0, set(), Role.TECHNICIAN),
        (990, {OTHER}, Role.TECHNICIAN),
        (READ, {OTHER}, Role.NOBODY),
    ],
)
def test_the_highest_role_of_a_group_counts_and_masters_may_everything(uid: int, gids: set[int], role: Role) -> None:
    assert GATE.role_of(Caller(uid, frozenset(gids))) is role
    assert GATE.is_master(Caller(uid, frozenset(gids))) is (uid in {0, 990})


def test_the_vehicle_stack_has_no_role_and_is_known_by_its_group() -> None:
    gate = Gate({Role.READER: READ}, frozenset({0}), stack_gid=OTHER)
    stack = Caller(1000, frozenset({OTHER}))
    assert gate.role_of(stack) is Role.NOBODY
    assert gate.is_stack(stack)
    assert not gate.is_stack(Caller(1000, frozenset({READ})))
    assert not GATE.is_stack(stack)
    assert VERBS.keys() >= STACK_VERBS


def test_without_groups_only_root_and_the_service_may_anything() -> None:
    gate = Gate({}, frozenset({0}))
    assert gate.role_of(Caller(1000, frozenset({0, READ, OPERATE, REPAIR}))) is Role.NOBODY
    assert gate.role_of(Caller(0, frozenset())) is Role.TECHNICIAN


def test_the_kernel_tells_user_and_all_groups_of_the_other_end() -> None:
    one, other = socket.socketpair()
    with one, other:
        caller = caller_of(one)
    assert caller == Caller(os.getuid(), frozenset({os.getgid(), *os.getgroups()}))


def test_more_groups_than_the_answer_holds_give_no_role() -> None:
    class Crowded:
        def getsockopt(self, _level: int, option: int, size: int, /) -> bytes:
            if option == socket.SO_PEERCRED:
                return b"".join(number.to_bytes(4, "little") for number in (1, 1000, READ))[:size]
            raise OSError("Numerical result out of range")

    assert caller_of(Crowded()) == Caller(1000, frozenset({READ}))


def test_the_gate_of_a_machine_has_the_groups_that_the_machine_has() -> None:
    gate = gate_of_this_machine()
    assert gate.role_of(Caller(os.getuid(), frozenset())) is Role.TECHNICIAN
    there = {name: group.gr_gid for group in grp.getgrall() if (name := group.gr_name) in GROUPS.values()}
    for role, name in GROUPS.items():
        if name in there:
            assert gate.role_of(Caller(65533, frozenset({there[name]}))) is role


def test_every_role_but_nobody_has_a_group_and_a_remedy_and_every_verb_a_role() -> None:
    assert set(GROUPS) == set(Role) - {Role.NOBODY}
    for role, name in GROUPS.items():
        assert f"usermod -aG {name}" in how_to_get(role)
    assert Role.NOBODY not in VERBS.values()
