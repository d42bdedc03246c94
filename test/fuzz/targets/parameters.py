# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters of the depth node: values as its services get them, at the node itself."""

import array
import functools
from pathlib import Path
from random import Random
from typing import Any

import mutations
import rclpy
from judging import ContractError, Target, check_text
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically

from spike_depth_ros.nodes.depth import SpikeDepthNode
from spike_depth_ros.nodes.parts.depth_parameters import DepthParameters
from spike_depth_ros.nodes.parts.parameters import parameters_of, plain

ROWS = {row.name: row for row in parameters_of(DepthParameters)}
NAMES = (*ROWS, 'use_sim_time', 'unknown', '', 'spikes', 'qos_overrides./spikes.depth')
FIELDS = ('bool_value', 'integer_value', 'double_value', 'string_value', 'byte_array_value',
          'bool_array_value', 'integer_array_value', 'double_array_value',
          'string_array_value')  # fmt: skip
"""By the type number less 1."""


@functools.cache
def _node() -> SpikeDepthNode:
    rclpy.init(args=['--ros-args', '-p', 'autostart:=false', '--log-level', 'fatal'])
    return SpikeDepthNode()


def make(random: Random) -> list[dict[str, Any]]:
    """Up to six requests, each of one to four parameters: name, type and value."""
    return [
        {
            'atomically': random.random() < 0.5,
            'parameters': [_parameter(random) for _ in range(random.choice((1, 1, 2, 4)))],
        }
        for _ in range(random.randint(1, 6))
    ]


def _parameter(random: Random) -> tuple[str, int, Any]:
    name = random.choice(NAMES)
    row = ROWS.get(name)
    if row is None or random.random() < 0.3:
        kind = random.randint(0, 9)
    else:
        kind = {bool: 1, int: 2, float: 3, str: 4, tuple: 8}[type(row.default)]
    span = () if row is None else row.limits
    near = [value + change for value in span for change in (-1, 0, 1, 1e-9)]
    return name, kind, _value(random, kind, near, () if row is None else row.choices)


def _value(random: Random, kind: int, near: list[float], choices: tuple[str, ...]) -> Any:
    integers = [number for number in mutations.INTEGERS if -(2**63) <= number < 2**63]
    integers += [int(number) for number in near]
    text = mutations.text(random, random.choice((*choices, 'unet_lite')))
    values: dict[int, Any] = {
        1: random.random() < 0.5,
        2: random.choice(integers),
        3: float(random.choice((*mutations.FLOATS, *near))),
        4: random.choice((*choices, text.encode(errors='replace').decode().replace('\0', ''))),
        5: [bytes((random.randrange(256),))],
        6: [True, False],
        7: [random.choice(integers)],
        8: [random.choice(mutations.FLOATS) for _ in range(random.choice((0, 1, 7, 7, 8)))],
        9: ['', text.encode(errors='replace').decode().replace('\0', '')],
    }
    return values.get(kind)


def use(case: list[dict[str, Any]], folder: Path) -> None:
    """Set them by the node's services; whatever is accepted lies within the documented range."""
    node = _node()
    services = {service.srv_type: service.callback for service in node.services}
    for request in case:
        messages = [_message(*one) for one in request['parameters']]
        if request['atomically']:
            kind = SetParametersAtomically
            results = [services[kind](kind.Request(parameters=messages), kind.Response()).result]
        else:
            kind = SetParameters
            results = services[kind](kind.Request(parameters=messages), kind.Response()).results
        for result in results:
            if not result.successful:
                check_text(result.reason)
        for name, row in ROWS.items():
            value = plain(node.get_parameter(name).value)
            if type(value) is not type(row.default):
                raise ContractError(f'{name} is {value!r}')
            if row.limits and not row.limits[0] <= value <= row.limits[1]:
                raise ContractError(f'{name} is {value!r}, out of {row.limits}')


def _message(name: str, kind: int, value: Any) -> Parameter:
    message = ParameterValue(type=kind)
    if kind:
        if kind in (7, 8):
            value = array.array('q' if kind == 7 else 'd', value)
        setattr(message, FIELDS[kind - 1], value)
    return Parameter(name=name, value=message)


PARAMETERS = Target(make, use, (), prepare=_node)
