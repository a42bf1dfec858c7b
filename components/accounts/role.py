"""What a person or a program may do; each role may do what the ones before it may."""

from __future__ import annotations

from typing import Literal, get_args

from components.errors import ParameterError

Role = Literal["viewer", "annotator", "engineer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

ROLE_WORDS: dict[Role, str] = {
    "viewer": "looks",
    "annotator": "answers requests too",
    "engineer": "promotes, rolls back and starts jobs too",
    "admin": "gives and takes access too",
}


def may(role: Role, needed: Role) -> bool:
    """Whether ``role`` includes ``needed``."""
    return ROLES.index(role) >= ROLES.index(needed)


def lesser(one: Role, other: Role) -> Role:
    """The one of two roles that may do less."""
    return min(one, other, key=ROLES.index)


def role_named(name: str) -> Role:
    """The role of this name; raises ``ParameterError``."""
    for role in ROLES:
        if role == name:
            return role
    raise ParameterError(expected="a role", got=repr(name), hint=", ".join(ROLES))
