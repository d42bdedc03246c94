# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_inspect``: topics, messages, parameters and states without ``ros2``."""

from __future__ import annotations

import argparse
import array
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rclpy.parameter import get_parameter_value, parameter_value_to_python

from spike_depth_ros.arguments import (
    DefaultsFormatter,
    count,
    plane_rate,
    positive,
    sensor_size,
)
from spike_depth_ros.errors import one_line
from spike_depth_ros.nodes import process, shared_memory
from spike_depth_ros.nodes.graph import Graph, printable
from spike_depth_ros.nodes.inspection_topics import (
    echo,
    plain,
    print_yaml,
    save,
    show_diagnostics,
    show_topics,
)
from spike_depth_ros.nodes.process import UserError
from spike_depth_ros.safe_yaml import YamlLimitError, check_yaml

TRANSITIONS = ('configure', 'activate', 'deactivate', 'cleanup', 'shutdown')
TRANSITION_S = 60.0
"""Shortest timeout of a transition, seconds: configuring loads a model."""


def set_parameter(graph: Graph, options: argparse.Namespace) -> int:
    """Set a parameter of a node, or print the reason of its refusal."""
    node = graph.find_node(options.node, options.timeout)
    value = parameter_value(options.value)
    client = graph.parameter_client(node, options.timeout)
    message = Parameter(name=options.parameter, value=value)
    response = graph.answer(client.set_parameters([message]), node, options.timeout)
    result = response.results[0]
    if not result.successful:
        reason = printable(result.reason) or 'no reason given'
        raise UserError(f'{node} refused {options.parameter}: {reason}')
    print_yaml({options.parameter: parameter_value_to_python(value)})
    return 0


def parameter_value(text: str) -> ParameterValue:
    """Parse the value of a parameter as YAML.

    Raises:
        UserError: The value is not of a parameter's types.
    """
    try:
        check_yaml(text)
        value = get_parameter_value(text)
        array.array('q', [value.integer_value])
    except (yaml.YAMLError, YamlLimitError, OverflowError) as error:
        raise UserError(f'{text}: {one_line(error)}') from None
    if not isinstance(value.string_value, str):
        raise UserError(
            f'{text}: expected true, false, a number, a text, or a list of one of them'
        )
    return value


def get_parameters(graph: Graph, options: argparse.Namespace) -> int:
    """Print the parameters of a node, or one of them."""
    node = graph.find_node(options.node, options.timeout)
    client = graph.parameter_client(node, options.timeout)

    def answer(future: Any) -> Any:
        return graph.answer(future, node, options.timeout)

    names = [options.parameter]
    if options.parameter is None:
        names = sorted(answer(client.list_parameters()).result.names)
    for name in names:
        values = answer(client.get_parameters([name])).values
        if values:
            print_yaml({name: plain(parameter_value_to_python(values[0]))})
        elif options.parameter is not None:
            raise UserError(f'{node} has no parameter {name}, or it is not set')
    return 0


def lifecycle(graph: Graph, options: argparse.Namespace) -> int:
    """Print the state of a lifecycle node, or change it."""
    node = graph.find_node(options.node, options.timeout)
    state = _state(graph, node, options.timeout)
    if options.transition is None:
        print(state)
        return 0
    request = GetAvailableTransitions.Request()
    service = f'{node}/get_available_transitions'
    found = graph.call(GetAvailableTransitions, service, request, options.timeout, repeat=True)
    possible = [each.transition.label for each in found.available_transitions]
    if options.transition not in possible:
        raise UserError(
            f'{node} is {state}: {options.transition} is not possible, only '
            f'{", ".join(dict.fromkeys(possible)) or "nothing"}'
        )
    change = ChangeState.Request(transition=Transition(label=options.transition))
    waiting_s = max(options.timeout, TRANSITION_S)
    done = graph.call(ChangeState, f'{node}/change_state', change, waiting_s).success
    now = _state(graph, node, options.timeout)
    if not done:
        raise UserError(f'{options.transition} failed, {node} is {now}: its log has the reason')
    print(f'{state} -> {now}')
    return 0


def _state(graph: Graph, node: str, timeout_s: float) -> str:
    response = graph.call(
        GetState, f'{node}/get_state', GetState.Request(), timeout_s, repeat=True
    )
    return printable(response.current_state.label)


def show_bag(options: argparse.Namespace) -> int:
    """Print what a bag holds: topics, stream of spikes with its gaps, camera, true depth."""
    try:
        from spike_depth_ros.conversion.bag_summary import summarise

        found = summarise(options.bag, options.topic, options.size, options.rate)
    except (ValueError, OSError, ImportError) as error:
        print(f'spike_inspect: error: {printable(one_line(error))}', file=sys.stderr)
        return 1
    print_yaml(found)
    return 0


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog='spike_inspect',
        description='Look at running ROS 2 nodes, or into a bag, where the ros2 command line '
        'tools are not installed. It finds the nodes of its own ROS_DOMAIN_ID and DDS profile.',
    )
    commands = parser.add_subparsers(metavar='COMMAND', required=True)

    def add(
        name: str, function: Callable[..., int], seconds: str = '', waits: bool = True
    ) -> Callable[..., Any]:
        summary = (function.__doc__ or '').rstrip('.')
        command = commands.add_parser(
            name, help=summary, description=summary, formatter_class=DefaultsFormatter
        )
        command.set_defaults(function=function)
        if seconds:
            command.add_argument(
                '--seconds', type=positive, default=2.0, metavar='S', help=seconds
            )
        if waits:
            command.add_argument(
                '--timeout', type=positive, default=5.0, metavar='S', help='longest wait, seconds'
            )
        return command.add_argument

    add('topics', show_topics, 'how long to measure rates')
    argument = add('echo', echo)
    argument('topic', metavar='TOPIC')
    argument('--count', type=count, default=1, metavar='N', help='messages')
    argument = add('save', save)
    argument('topic', metavar='TOPIC')
    argument('file', type=Path, metavar='FILE', help='.png (metres as 16-bit millimetres) or .npy')
    argument('--overwrite', action='store_true', help='replace an existing file')
    argument = add('set', set_parameter)
    argument('node', metavar='NODE')
    argument('parameter', metavar='PARAMETER')
    argument('value', metavar='VALUE', help='as YAML')
    argument = add('get', get_parameters)
    argument('node', metavar='NODE')
    argument('parameter', metavar='PARAMETER', nargs='?')
    argument = add('lifecycle', lifecycle)
    argument('node', metavar='NODE')
    argument('transition', nargs='?', choices=TRANSITIONS)
    argument = add('diagnostics', show_diagnostics, 'how long to collect')
    argument('--watch', action='store_true', help='go on until interrupted')
    argument = add('bag', show_bag, waits=False)
    argument('bag', type=Path, metavar='BAG', help='folder, .mcap or .db3 file')
    argument('--topic', metavar='TOPIC', help='of the spikes. Default: the one called spikes')
    argument('--size', type=sensor_size, metavar='WxH', help='for a bag without camera_info')
    argument('--rate', type=plane_rate, metavar='HZ', help='planes a second. Default: as recorded')
    shared_memory.add_command(commands)
    return parser


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_inspect``; return the exit status."""
    given = sys.argv if args is None else args
    options = argument_parser().parse_args(process.own_arguments(given))
    if options.function is shared_memory.show:
        return shared_memory.show(options)  # without DDS, which needs that memory
    if options.function is show_bag:
        return show_bag(options)
    return process.run(Graph, given, lambda graph: options.function(graph, options))


if __name__ == '__main__':
    sys.exit(main())
