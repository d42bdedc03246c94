# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of nodes: fields of dataclasses, declared, read, reviewed and told by ``--help``."""

from __future__ import annotations

import array
import dataclasses
import inspect
import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from spike_depth_ros.base.cli import HELP
from spike_depth_ros.base.errors import printable
from spike_depth_ros.base.schema import fields_of, meanings_of, nearest, problems_of
from spike_depth_ros.base.values import Check, checks_of, describe, faults, limits_of
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.process import UserError

SettingsT = TypeVar('SettingsT')


class Mark(NamedTuple):
    """What an annotation says of a parameter beside its type and checks.

    Attributes:
        live: True: it may change while the node runs; False: it is read at the start.
        group: Text before the dot in the names of a dataclass of parameters; None: its field's.
    """

    live: bool = False
    group: str | None = None


LIVE = Mark(live=True)


class Parameter(NamedTuple):
    """One parameter of a node.

    Attributes:
        name: Its name, with dots.
        hint: Its type, with checks.
        default: Its default.
        meaning: Its meaning, with its unit.
        live: True: it may change while the node runs.
    """

    name: str
    hint: Any
    default: Any
    meaning: str
    live: bool

    @property
    def limits(self) -> tuple[float, float] | tuple[()]:
        """Its least and largest value; (): it has no range."""
        return limits_of(self.hint)

    @property
    def choices(self) -> tuple[str, ...]:
        """Its values, if they are named; (): it may have others."""
        return next((get_args(one) for one in _types(self.hint) if get_origin(one) is Literal), ())

    def descriptor(self) -> ParameterDescriptor:
        """Return the descriptor for ``ros2 param describe``."""
        descriptor = ParameterDescriptor(description=self.meaning)
        if self.choices or any(map(_is_no_range, checks_of(self.hint))):
            descriptor.additional_constraints = describe(self.hint)
        if self.limits:
            low, high = self.limits
            if isinstance(self.default, int):
                span = IntegerRange(from_value=int(low), to_value=int(high), step=0)
                descriptor.integer_range = [span]
            else:
                span = FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
                descriptor.floating_point_range = [span]
        return descriptor

    def problem(self, value: Any) -> str:
        """Return the reason to refuse a value, one line; empty: it is good."""
        found = (
            f'{self.name}{place} is {what}: expected {it}'
            for place, what, it in faults(plain(value), self.hint)
        )
        return printable(next(found, ''))


def plain(value: Any) -> Any:
    """Return the value of a parameter, a list as a tuple: rclpy has arrays, too."""
    return tuple(value) if isinstance(value, list | array.array) else value


def _is_no_range(check: Check) -> bool:
    return not math.isfinite(check.high - check.low)


def _types(hint: Any) -> tuple[Any, ...]:
    """Return a type, and the one that it annotates."""
    return hint, *get_args(hint)[:1]


def parameters_of(kind: Any, group: str = '') -> tuple[Parameter, ...]:
    """Return the parameters that are the fields of a dataclass, and of the dataclasses in it.

    Its own ones come before those of its bases.

    Args:
        kind: The dataclass.
        group: Text before their names.
    """
    meanings, found = meanings_of(kind), list[Parameter]()
    fields = fields_of(kind)
    for name in dict.fromkeys(
        name for base in kind.__mro__ for name in inspect.get_annotations(base)
    ):
        one = fields[name]
        if dataclasses.is_dataclass(one.type):
            found += parameters_of(one.type, group + _group_of(one))
        else:
            mark = _mark(one.hint)
            found.append(Parameter(group + name, one.hint, one.default, meanings[name], mark.live))
    return tuple(found)


def _mark(hint: Any) -> Mark:
    found = (one for one in getattr(hint, '__metadata__', ()) if isinstance(one, Mark))
    return next(found, Mark())


def _group_of(field: Any) -> str:
    """Return the text before the names of the parameters of a dataclass in another one."""
    group = _mark(field.hint).group
    return f'{field.name if group is None else group}.'


def build(kind: type[SettingsT], given: Mapping[str, Any]) -> SettingsT:
    """Return the dataclass of values by name; what is not given has its default.

    Raises:
        ValueError: A value does not fit, or values do not go together; the message is one line.
    """
    for row in parameters_of(kind):
        if row.name in given and (problem := row.problem(given[row.name])):
            raise ValueError(problem)
    built = _build(kind, given, '')
    if problems := [_by_group(kind, problem) for problem in problems_of(built)]:
        raise ValueError('; '.join(problems))
    return built


def _by_group(kind: type, problem: str) -> str:
    """Return a problem that names a field of a dataclass by its group."""
    for name, one in fields_of(kind).items():
        if dataclasses.is_dataclass(one.type) and problem.startswith(f'{name}.'):
            return _group_of(one) + problem.removeprefix(f'{name}.')
    return problem


def _build(kind: Any, given: Mapping[str, Any], group: str) -> Any:
    found: dict[str, Any] = {}
    for name, one in fields_of(kind).items():
        if dataclasses.is_dataclass(one.type):
            found[name] = _build(one.type, given, group + _group_of(one))
        elif group + name in given:
            found[name] = plain(given[group + name])
    try:
        return kind(**found)
    except ValueError as error:
        raise ValueError('; '.join(f'{group}{one}' for one in str(error).split('; '))) from None


def help_text(kind: type) -> str:
    """Return the parameters for ``--help``, two lines for each."""
    lines = ['parameters (set with --ros-args -p NAME:=VALUE, or a YAML file):']
    for row in parameters_of(kind):
        limits = f', {row.limits[0]:g} to {row.limits[1]:g}' if row.limits else ''
        live = ', may change while the node runs' if row.live else ''
        default = repr(row.default) if isinstance(row.default, str) else row.default
        lines.append(f'  {row.name} (default {default}{limits}{live})')
        lines.append(f'      {row.meaning}')
    return '\n'.join(lines)


def parse_command_line(
    prog: str, description: str, kind: type, args: list[str] | None
) -> list[str]:
    """Parse the command line of a node whose settings are parameters; its help lists them.

    Args:
        prog: Name of the console script.
        description: Summary of the node.
        kind: Dataclass of its parameters.
        args: Command line; None: that of the process.

    Returns:
        The command line, with the arguments of ROS.
    """
    given = sys.argv if args is None else args
    own = process.own_arguments(given)
    if {*HELP} & {*own}:
        print(f'usage: {prog} [--ros-args ...]\n\n{description}\n\n{help_text(kind)}')
        sys.exit(0)
    if own:
        wrong = printable(f'{own[0]}: expected parameters alone, --ros-args -p NAME:=VALUE')
        print(f'{prog}: error: {wrong} (see {prog} --help)', file=sys.stderr)
        sys.exit(2)
    return given


def declare(node: Node, kind: type) -> None:
    """Declare the parameters of a dataclass on a node and warn of unknown ones.

    Raises:
        UserError: A value given at start has the wrong type or range.
    """
    for row in parameters_of(kind):
        try:
            default = [*row.default] if isinstance(row.default, tuple) else row.default
            node.declare_parameter(row.name, default, row.descriptor())
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            decimal = 'a number with a decimal point such as 1.0'
            expected = re.sub('(^|each )a number', rf'\1{decimal}', describe(row.hint))
            raise UserError(f'parameter {row.name}: expected {expected}: {error}') from None
    warn_of_unknown(node)


def warn_of_unknown(node: Node) -> None:
    """Warn of unknown parameters given at start, with the nearest name.

    QoS overrides are declared later, with their topics.
    """
    known = list(node.get_parameters_by_prefix(''))
    for name in sorted(given_at_start(node) - set(known)):
        if not name.startswith('qos_overrides.'):
            node.get_logger().warning(
                f'parameter {name} is unknown and ignored{nearest(name, known, ": ")}'
            )


def given_at_start(node: Node) -> set[str]:
    """Return the names of a node's parameters on the command line or in files."""
    # Unused overrides have no public name in rclpy.
    return set(getattr(node, '_parameter_overrides', {}))


def values(node: Node, kind: type[SettingsT], changes: Sequence[RosParameter] = ()) -> SettingsT:
    """Return the current values of a node's parameters.

    Args:
        node: The node.
        kind: Dataclass of its parameters.
        changes: Values that are to replace current ones.

    Raises:
        ValueError: A value does not fit, or values do not go together; the message is one line.
    """
    now = {row.name: node.get_parameter(row.name).value for row in parameters_of(kind)}
    return build(kind, now | {one.name: one.value for one in changes})


AT_CONFIGURATION = (
    'is read when the node is configured and cannot change while it runs: clean it up, set the '
    'parameter, and configure it again'
)


def review(
    kind: type, changes: Sequence[RosParameter], running: bool, fixed: str = AT_CONFIGURATION
) -> str:
    """Check each value of a change of parameters by itself; other parameters are good.

    Args:
        kind: Dataclass of the node's parameters.
        changes: The change.
        running: True: those that are not live are fixed.
        fixed: What is said of those.

    Returns:
        The reason to refuse it, one line; empty: there is none.
    """
    rows = {row.name: row for row in parameters_of(kind)}
    for row, value in ((rows[one.name], one.value) for one in changes if one.name in rows):
        if problem := row.problem(value):
            return problem
        if running and not row.live:
            return f'{row.name} {fixed}'
    return ''
