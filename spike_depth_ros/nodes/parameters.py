# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of node parameters: name, default, range, description, changes at run time."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from spike_depth_ros.backends import MAX_THREADS
from spike_depth_ros.base.cli import HELP
from spike_depth_ros.base.schema import fields_of, meanings_of
from spike_depth_ros.base.values import limits_of
from spike_depth_ros.errors import printable
from spike_depth_ros.nodes import process
from spike_depth_ros.nodes.learnt_preview import LEARNT
from spike_depth_ros.nodes.process import QUEUE_PACKETS, UserError
from spike_depth_ros.preview import METHODS, SHORT_PLANES
from spike_depth_ros.scale_from_height import TIMEOUT_S


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    Attributes:
        name: Its name.
        default: Its default; its type is the parameter's type.
        description: Its meaning, with its unit.
        low: Smallest value, for numbers.
        high: Largest value, for numbers.
        choices: Allowed values, for text; empty allows any.
        live: True: it may change while the node runs; False: it is read at configuration.
    """

    name: str
    default: bool | int | float | str
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """Return the descriptor for ``ros2 param describe``."""
        descriptor = ParameterDescriptor(description=self.description)
        if self.choices:
            descriptor.additional_constraints = self._expected()
        if self.low is not None and self.high is not None:
            if isinstance(self.default, int):
                span = IntegerRange(from_value=int(self.low), to_value=int(self.high), step=0)
                descriptor.integer_range = [span]
            else:
                span = FloatingPointRange(from_value=self.low, to_value=self.high, step=0.0)
                descriptor.floating_point_range = [span]
        return descriptor

    def _expected(self) -> str:
        names = [name for name in self.choices if name]
        named = f'one of {", ".join(names)}' if len(names) > 1 else names[0]
        return f'{named}, or none' if '' in self.choices else named

    def refusal(self, value: Any, configured: bool) -> str | None:
        """Return the reason to refuse a value, or None; rclpy checks types and ranges."""
        if self.choices and value not in self.choices:
            return printable(f'{self.name} is {value!r}; expected {self._expected()}')
        if configured and not self.live:
            return (
                f'{self.name} is read when the node is configured and cannot change while it '
                'runs: clean it up, set the parameter, and configure it again'
            )
        return None


RANGES = ('filter.min_depth', 'filter.max_depth', 'colour.min_depth', 'colour.max_depth')
"""Parameters of ranges of depth, of which the largest is above the smallest."""

DEPTH_PARAMETERS = (
    Parameter(
        'checkpoint',
        '',
        'Model file (.safetensors), or the name of a shipped model; empty: the default one.',
        live=True,
    ),
    Parameter(
        'device',
        'auto',
        'Where the model runs: auto (a GPU if torch sees one, else the CPU), cpu, cuda.',
        choices=('auto', 'cpu', 'cuda'),
    ),
    Parameter(
        'backend',
        'auto',
        'What runs the model: auto (onnx on a CPU, torch on a GPU), onnx, torch.',
        choices=('auto', 'onnx', 'torch'),
    ),
    Parameter('threads', 0, 'CPU threads of the model; 0: all cores.', 0, MAX_THREADS),
    Parameter('window', 0, 'Planes in a window; 0: as the model was trained.', 0, 100_000),
    Parameter(
        'hop',
        0,
        'Planes between the starts of windows (policy latest: at least); 0: the window length.',
        0,
        1_000_000,
    ),
    Parameter(
        'policy',
        'latest',
        'Which windows are used: latest (newest full window) or every (each hop, for replay).',
        choices=('latest', 'every'),
    ),
    Parameter(
        'ring_planes',
        0,
        'Planes that wait at most for inference; 0: 1024 with policy latest, 8192 with every, and '
        'at least two windows.',
        0,
        10_000_000,
    ),
    Parameter('sensor_width', 0, 'Sensor width in pixels; 0: from camera_info.', 0, 16_384),
    Parameter('sensor_height', 0, 'Sensor height in pixels; 0: from camera_info.', 0, 16_384),
    Parameter(
        'rectify',
        True,
        'Rectify counts and preview where camera_info has lens distortion (D not 0), so that '
        'depth is that of a pinhole camera.',
    ),
    Parameter('spike_rate_hz', 0.0, 'Planes a second; 0: inferred from stamps.', 0.0, 1e6),
    Parameter(
        'stamp_tolerance_planes',
        0.5,
        'How far a packet stamp may be off before it is a gap, in planes; raise it for a driver '
        'that stamps by its clock.',
        0.0,
        10_000.0,
    ),
    Parameter(
        'spikes.reliability',
        'auto',
        'Reliability asked of the spike publisher: auto (reliable if all publishers offer it, '
        'else best_effort), best_effort (accepts any), reliable (needs a reliable publisher).',
        choices=('auto', 'best_effort', 'reliable'),
    ),
    Parameter(
        'spikes.queue_packets',
        QUEUE_PACKETS,
        'Packets that wait at most for the node to take them: 512 of 40 planes are a second at '
        '20 kHz and, when full, 256 MB of 400x250; fewer where memory is short.',
        16,
        65_536,
    ),
    Parameter(
        'uncertainty.max_relative',
        0.0,
        'Depth is NaN where uncertainty / depth is above this; 0: nothing is masked.',
        0.0,
        1e6,
        live=True,
    ),
    Parameter(
        'filter.temporal',
        0.0,
        'Time constant of the mean of depth over windows, s, where it changes by less than its '
        'uncertainty; 0: none.',
        0.0,
        60.0,
        live=True,
    ),
    Parameter(
        'filter.flying',
        False,
        'Depth is NaN at pixels that hang between foreground and background; planes stay.',
        live=True,
    ),
    Parameter(
        'filter.min_depth', 0.0, 'Depth below this is -Inf, m (REP 117).', 0.0, 1000.0, live=True
    ),
    Parameter(
        'filter.max_depth',
        0.0,
        'Depth above this is +Inf, m (REP 117); 0: all is kept.',
        0.0,
        1000.0,
        live=True,
    ),
    Parameter(
        'colour.min_depth',
        0.0,
        'Depth of the brightest colour of depth/colour, m; 0: by the newest windows.',
        0.0,
        1000.0,
        live=True,
    ),
    Parameter(
        'colour.max_depth',
        0.0,
        'Depth of the darkest colour, m; 0: by the newest windows.',
        0.0,
        1000.0,
        live=True,
    ),
    Parameter(
        'scale_from',
        'model',
        'Where metres come from: model, or height (from the floor in the depth and the height of '
        'the camera above it).',
        choices=('model', 'height'),
        live=True,
    ),
    Parameter(
        'camera_height_m',
        0.0,
        'Height of the lens above the floor, m; above 0 with scale_from height.',
        0.0,
        1000.0,
        live=True,
    ),
    Parameter(
        'camera_pitch_rad',
        0.0,
        'Rotation of the camera about its y axis (left, REP 103), rad: positive looks down.',
        -1.571,
        1.571,
        live=True,
    ),
    Parameter(
        'camera_roll_rad',
        0.0,
        'Rotation of the camera about its x axis (forward, REP 103), rad: positive raises its '
        'left side.',
        -3.142,
        3.142,
        live=True,
    ),
    Parameter(
        'scale_timeout_s',
        TIMEOUT_S,
        'Without a floor for this long: a warning, s; a jump of its height that lasts as long is '
        'taken for a new scale.',
        0.1,
        3600.0,
        live=True,
    ),
    Parameter(
        'preview',
        'interval',
        'Estimate of the firing rate on spikes/image: rate (mean of the window), short (mean of '
        f'the {SHORT_PLANES} planes around the one that the depth belongs to), interval (by '
        'the intervals between the spikes around that plane), learnt (by a network).',
        choices=(*METHODS, LEARNT),
        live=True,
    ),
    Parameter(
        'preview.checkpoint',
        '',
        'Network of the preview learnt (.safetensors); empty: the shipped one.',
    ),
    Parameter('preview.max_hz', 10.0, 'Pictures a second of the preview learnt.', 0.1, 1000.0),
    Parameter(
        'image.max_age_s',
        0.0,
        'Largest age of a frame beside the spikes, s, of models that take frames; 0: as the model '
        'was trained.',
        0.0,
        10.0,
    ),
    Parameter(
        'image.delay_s',
        0.0,
        'Delay of the stamps of frames, which is subtracted, s.',
        -10.0,
        10.0,
    ),
    Parameter(
        'image.flip',
        'none',
        'Mirroring of arriving frames, before their calibration applies: none, horizontal, '
        'vertical (a beam splitter mirrors one path).',
        choices=('none', 'horizontal', 'vertical'),
    ),
    Parameter(
        'image.max_offset_px',
        2.0,
        'Frames are refused where their median offset from the spikes is above this, pixels; 0: '
        'it is not measured.',
        0.0,
        100.0,
    ),
    Parameter('input_timeout_s', 2.0, 'Without spikes for this long: an error, s.', 0.1, 3600.0),
    Parameter('autostart', True, 'Configure and activate at start.'),
)


def of_fields(kind: type, prefix: str) -> tuple[Parameter, ...]:
    """Return the parameters that are the fields of a dataclass of settings.

    Args:
        kind: The dataclass; its annotations say ranges and choices.
        prefix: Text before their names.
    """
    meanings, found = meanings_of(kind), []
    for one in fields_of(kind).values():
        low, high = limits_of(one.hint) or (None, None)
        choices = get_args(one.hint) if get_origin(one.hint) is Literal else ()
        text = meanings[one.name]
        found.append(Parameter(f'{prefix}{one.name}', one.default, text, low, high, choices))
    return tuple(found)


def help_text(table: Sequence[Parameter]) -> str:
    """Return the table for ``--help``, two lines for each parameter."""
    lines = ['parameters (set with --ros-args -p NAME:=VALUE, or a YAML file):']
    for row in table:
        limits = f', {row.low:g} to {row.high:g}' if row.low is not None else ''
        live = ', may change while the node runs' if row.live else ''
        default = repr(row.default) if isinstance(row.default, str) else row.default
        lines.append(f'  {row.name} (default {default}{limits}{live})')
        lines.append(f'      {row.description}')
    return '\n'.join(lines)


def parse_command_line(
    prog: str, description: str, table: Sequence[Parameter], args: list[str] | None
) -> list[str]:
    """Parse the command line of a node whose settings are parameters; its help lists them.

    Args:
        prog: Name of the console script.
        description: Summary of the node.
        table: Its parameters.
        args: Command line; None: that of the process.

    Returns:
        The command line, with the arguments of ROS.
    """
    given = sys.argv if args is None else args
    own = process.own_arguments(given)
    if {*HELP} & {*own}:
        print(f'usage: {prog} [--ros-args ...]\n\n{description}\n\n{help_text(table)}')
        sys.exit(0)
    if own:
        wrong = printable(f'{own[0]}: expected parameters alone, --ros-args -p NAME:=VALUE')
        print(f'{prog}: error: {wrong} (see {prog} --help)', file=sys.stderr)
        sys.exit(2)
    return given


def declare(node: LifecycleNode, table: Sequence[Parameter]) -> None:
    """Declare a table's parameters on a node and warn of unknown ones.

    Raises:
        UserError: A value given at start has the wrong type or range.
    """
    for row in table:
        try:
            node.declare_parameter(row.name, row.default, row.descriptor())
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            kind = {float: 'a number with a decimal point, such as 1.0', int: 'a whole number'}
            limits = f' from {row.low:g} to {row.high:g}' if row.low is not None else ''
            expected = kind.get(type(row.default), type(row.default).__name__) + limits
            raise UserError(f'parameter {row.name}: expected {expected}: {error}') from None
    warn_of_unknown(node)


def warn_of_unknown(node: Node) -> None:
    """Warn of unknown parameters given at start, with the nearest name.

    QoS overrides are declared later, with their topics.
    """
    known = list(node.get_parameters_by_prefix(''))
    for name in sorted(given_at_start(node) - set(known)):
        if name.startswith('qos_overrides.'):
            continue
        near = difflib.get_close_matches(name, known, 1)
        node.get_logger().warning(
            f'parameter {name} is unknown and ignored'
            + (f': did you mean {near[0]}?' if near else '')
        )


def given_at_start(node: Node) -> set[str]:
    """Return the names of a node's parameters on the command line or in files."""
    # Unused overrides have no public name in rclpy.
    return set(getattr(node, '_parameter_overrides', {}))


def values(node: LifecycleNode, table: Sequence[Parameter]) -> dict[str, Any]:
    """Return the current values of a table's parameters by name.

    Raises:
        ValueError: A text is not one of the choices.
    """
    read = {row.name: node.get_parameter(row.name).value for row in table}
    for row in table:
        if reason := row.refusal(read[row.name], configured=False):
            raise ValueError(reason)
    return read


def check_ranges(settings: Mapping[str, Any]) -> None:
    """Refuse a range of depths without depth in it.

    Args:
        settings: Values of :data:`RANGES`, by name.

    Raises:
        ValueError: A largest depth is not above the smallest one.
    """
    for group in ('filter', 'colour'):
        low, high = (settings[f'{group}.{end}_depth'] for end in ('min', 'max'))
        if 0 < high <= low:
            raise ValueError(
                f'{group}.max_depth is {high:g}; expected above {group}.min_depth, {low:g}, or 0'
            )


def review(
    table: Sequence[Parameter], changes: Sequence[RosParameter], configured: bool
) -> SetParametersResult:
    """Check a change of parameters; a refusal has its reason."""
    rows = {row.name: row for row in table}
    for change in changes:
        if change.name in rows:
            reason = rows[change.name].refusal(change.value, configured)
            if reason:
                return SetParametersResult(successful=False, reason=reason)
    return SetParametersResult(successful=True)
