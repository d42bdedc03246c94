# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_inspect``: topics, messages, parameters and states without ``ros2``."""

from __future__ import annotations

import array
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rclpy.parameter import get_parameter_value, parameter_value_to_python

from spike_depth_ros.base import cli
from spike_depth_ros.base.cli import POSITIONAL
from spike_depth_ros.base.errors import one_line
from spike_depth_ros.base.safe_yaml import YamlLimitError, check_yaml
from spike_depth_ros.base.values import Count
from spike_depth_ros.nodes.parts import process, shared_memory
from spike_depth_ros.nodes.parts.graph import Graph, printable
from spike_depth_ros.nodes.parts.inspection_topics import (
    echo,
    plain,
    print_yaml,
    save,
    show_diagnostics,
    show_topics,
)
from spike_depth_ros.nodes.parts.process import UserError
from spike_depth_ros.tools.arguments import Amount, PlaneRate, Size

Transitions = Literal['configure', 'activate', 'deactivate', 'cleanup', 'shutdown']
TRANSITION_S = 60.0
"""Shortest timeout of a transition, seconds: configuring loads a model."""


def set_parameter(graph: Graph, options: Any) -> int:
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


def get_parameters(graph: Graph, options: Any) -> int:
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


def lifecycle(graph: Graph, options: Any) -> int:
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


def show_bag(options: Any) -> int:
    """Print what a bag holds: topics, stream of spikes with its gaps, camera, true depth."""
    try:
        from spike_depth_ros.tools.convert.bag_summary import summarise

        found = summarise(options.bag, options.topic, options.size, options.rate)
    except (ValueError, OSError, ImportError) as error:
        print(f'spike_inspect: error: {printable(one_line(error))}', file=sys.stderr)
        return 1
    print_yaml(found)
    return 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiting:
    """How long to wait."""

    timeout: Amount = 5.0
    """Longest wait, seconds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TopicsOptions(Waiting):
    """Print every topic with its type, its nodes and its rate."""

    seconds: Amount = 2.0
    """How long to measure rates, seconds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EchoOptions(Waiting):
    """Print messages of a topic as YAML, long arrays shortened."""

    topic: Annotated[str, POSITIONAL]
    """The topic."""
    count: Count = 1
    """Messages."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SaveOptions(Waiting):
    """Write one image of a topic to a file."""

    topic: Annotated[str, POSITIONAL]
    """The topic."""
    file: Annotated[Path, POSITIONAL]
    """.png (metres as 16-bit millimetres) or .npy."""
    overwrite: bool = False
    """Replace an existing file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SetOptions(Waiting):
    """Set a parameter of a node, or print the reason of its refusal."""

    node: Annotated[str, POSITIONAL]
    """The node."""
    parameter: Annotated[str, POSITIONAL]
    """Its parameter."""
    value: Annotated[str, POSITIONAL]
    """As YAML."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GetOptions(Waiting):
    """Print the parameters of a node, or one of them."""

    node: Annotated[str, POSITIONAL]
    """The node."""
    parameter: Annotated[str | None, POSITIONAL] = None
    """One of its parameters. Default: all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LifecycleOptions(Waiting):
    """Print the state of a lifecycle node, or change it."""

    node: Annotated[str, POSITIONAL]
    """The node."""
    transition: Annotated[Transitions | None, POSITIONAL] = None
    """The change. Default: none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DiagnosticsOptions(Waiting):
    """Print the newest status of each name on ``/diagnostics``, the worst first."""

    seconds: Amount = 2.0
    """How long to collect, seconds."""
    watch: bool = False
    """Go on until interrupted."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BagOptions:
    """Look into a bag: its topics, the stream of spikes, and its gaps."""

    bag: Annotated[Path, POSITIONAL]
    """Folder, .mcap or .db3 file."""
    topic: str | None = None
    """Topic of the spikes. Default: the one called spikes."""
    size: Size | None = None
    """For a bag without camera_info, WIDTHxHEIGHT."""
    rate: PlaneRate | None = None
    """Planes a second. Default: as recorded."""


COMMANDS: dict[str, tuple[type, Callable[..., int]]] = {
    'topics': (TopicsOptions, show_topics),
    'echo': (EchoOptions, echo),
    'save': (SaveOptions, save),
    'set': (SetOptions, set_parameter),
    'get': (GetOptions, get_parameters),
    'lifecycle': (LifecycleOptions, lifecycle),
    'diagnostics': (DiagnosticsOptions, show_diagnostics),
    'bag': (BagOptions, show_bag),
    'shared-memory': (shared_memory.MemoryOptions, shared_memory.show),
}
"""Options and function of each subcommand."""

ABOUT = (
    'Look at running ROS 2 nodes, or into a bag, where the ros2 command line tools are not '
    'installed.\nIt finds the nodes of its own ROS_DOMAIN_ID and DDS profile.'
)


def main(args: list[str] | None = None) -> int:
    """Run the console script ``spike_inspect``; return the exit status."""
    given = sys.argv if args is None else args
    kinds = {name: kind for name, (kind, _) in COMMANDS.items()}
    own = process.own_arguments(given)
    name, options = cli.command(kinds, 'spike_inspect', ABOUT, own)
    function = COMMANDS[name][1]
    if name in ('shared-memory', 'bag'):  # without DDS, which needs that memory
        return function(options)
    return process.run(Graph, given, lambda graph: function(graph, options))


if __name__ == '__main__':
    sys.exit(main())
