# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Launch of a perception node, optionally with a point cloud and RViz."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from launch.action import Action
from launch.actions import LogInfo, OpaqueFunction, RegisterEventHandler
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import ComposableNodeContainer, Node
from launch_ros.descriptions import ComposableNode
from launch_ros.substitutions import FindPackageShare

from spike_depth_ros.checkpoint import SHIPPED
from spike_depth_ros.io.topics import beside, namespace
from spike_depth_ros.nodes.parts import launching
from spike_depth_ros.nodes.parts.params_file import NodeParameters
from spike_depth_ros.nodes.parts.process import shared_file
from spike_depth_ros.stereo import EYES

OVERRIDES = {
    'checkpoint': (
        'checkpoint',
        f'model file, or the name of a shipped model; empty: as in params_file, else {SHIPPED[0]}',
    ),
    'device': ('device', 'auto, cpu or cuda; empty: as in params_file, else auto'),
    'policy': ('policy', 'latest or every window; empty: as in params_file, else latest'),
    'reliability': (
        'spikes.reliability',
        'asked of the spike publisher: auto (reliable if all publishers offer it, else '
        'best_effort), reliable or best_effort; empty: as in params_file, else auto',
    ),
    'use_sim_time': (
        'use_sim_time',
        'take time from /clock; empty: as in params_file, else false',
    ),
    'autostart': (
        'autostart',
        'configure and activate the node at start; empty: as in params_file, else true',
    ),
}
"""Parameter of the node that an argument overrides, and the argument's description."""

SWITCHES = {'use_sim_time', 'autostart'}
"""Arguments that are true or false."""

OTHERS = {
    'namespace': ('', 'namespace of all nodes'),
    'respawn': ('false', 'start the node again if a signal ends it'),
    'log_level': ('info', 'debug, info, warn, error'),
    'rviz': ('false', 'open RViz'),
    'pointcloud': (
        'true',
        'depth/points: true (of the node, with the picture as intensity), depth_image_proc (by '
        'that package, without it), false (none)',
    ),
}
"""Default and description of further arguments."""

ONE_CAMERA = {
    'spikes': ('', 'topic of the spikes; empty: spikes'),
    'camera_info': ('', 'topic of their calibration; empty: camera_info, beside the spikes'),
    'image': (
        '',
        'topic of frames beside the spikes, for models that take them; its camera_info is beside '
        'it, or below a topic without a namespace; empty: image and image/camera_info',
    ),
}
"""Default and description of each argument that names a topic, of a node of one camera."""

TWO_CAMERAS = {
    f'{eye}_{name}': ('', f'topic of the {eye} {what}; empty: {eye}/{name}{place}')
    for eye in EYES
    for name, what, place in (
        ('spikes', 'spikes', ''),
        ('camera_info', 'calibration', ', beside the spikes'),
    )
}
"""The same, of two cameras."""

CLOUD_PACKAGE = 'depth_image_proc'
"""Package, and value of the argument ``pointcloud`` with which it makes the cloud."""


class PerceptionLaunch(NamedTuple):
    """Launch of one perception node.

    Attributes:
        node: Name of the node, of its executable and of its parameter file.
        publishers: Publishing processes on this machine, with the drivers.
        picture: Topic of the picture beside the depth in RViz.
        overrides: As :data:`OVERRIDES`, of this node alone.
        topics: :data:`ONE_CAMERA` or :data:`TWO_CAMERAS`.
    """

    node: str
    publishers: int
    picture: str
    overrides: Mapping[str, tuple[str, str]] = {}
    topics: Mapping[str, tuple[str, str]] = ONE_CAMERA

    def description(self) -> LaunchDescription:
        """Return arguments, the DDS profile for large messages, and the nodes."""
        own = PathJoinSubstitution(
            [FindPackageShare('spike_depth_ros'), 'config', f'{self.node}.yaml']
        )
        arguments = {
            'params_file': (own, 'YAML file of node parameters'),
            **{name: ('', text) for name, (_, text) in self._overrides.items()},
            **self.topics,
            **OTHERS,
        }
        actions = [
            *launching.dds_profile(self.publishers),
            OpaqueFunction(function=self._nodes, args=[list(arguments)]),
        ]
        return launching.describe(arguments, actions)

    @property
    def _overrides(self) -> dict[str, tuple[str, str]]:
        return {**self.overrides, **OVERRIDES}

    def _nodes(self, context: LaunchContext, names: list[str]) -> list[Action]:
        """Check everything first: what cannot run must not leave a part of it behind."""
        given = {name: context.launch_configurations[name] for name in names}
        true = {name: launching.is_true(context, name) for name in ('respawn', 'rviz')}
        of_package = given['pointcloud'] == CLOUD_PACKAGE
        of_node = not of_package and launching.is_true(context, 'pointcloud', [CLOUD_PACKAGE])
        launching.require_file('params_file', given['params_file'])
        needed = {
            'rviz:=true': ['rviz2'] if true['rviz'] else [],
            f'pointcloud:={CLOUD_PACKAGE}': (
                ['rclcpp_components', CLOUD_PACKAGE] if of_package else []
            ),
        }
        launching.require_packages(needed)
        node = launching.full_name(context, given['namespace'], self.node)
        given['namespace'] = node.rpartition('/')[0]  # also for a restart, outside of a group
        values: dict[str, Any] = {
            parameter: given[name]
            for name, (parameter, _) in self._overrides.items()
            if given[name]
        }
        for name in SWITCHES & values.keys():
            values[name] = launching.is_true(context, name)
        if not of_node:
            values['pointcloud'] = 'none'
        parameters = NodeParameters(Path(given['params_file']), node, values)
        actions = [
            *_sources(given, parameters, node),
            *self._depth(given, true['respawn'], parameters),
        ]
        sim_time = parameters.find('use_sim_time')[0] is True
        if of_package:
            actions.append(_cloud(given, sim_time))
        if true['rviz']:
            actions.append(self._rviz(given, sim_time))
        return actions

    def _depth(
        self, given: dict[str, str], respawn: bool, parameters: NodeParameters
    ) -> list[Action]:
        depth = Node(
            package='spike_depth_ros',
            executable=self.node,
            name=self.node,
            namespace=given['namespace'],
            parameters=launching.parameter_files(parameters),
            remappings=remappings(given),
            arguments=['--ros-args', '--log-level', given['log_level']],
            output='screen',
        )
        if respawn:
            again = functools.partial(self._depth, given, respawn, parameters)
            handler = launching.respawn_with(depth, again)
        else:
            handler = launching.end_with(depth)
        # The handler first: a node that ends at once must find it.
        return [RegisterEventHandler(handler), depth]

    def _rviz(self, given: dict[str, str], sim_time: bool) -> Action:
        return Node(
            package='rviz2',
            executable='rviz2',
            name='rviz2',
            namespace=given['namespace'],
            arguments=['-d', str(shared_file('config/rviz/spike_depth.rviz'))],
            remappings=[('spikes/image', self.picture)],
            parameters=[{'use_sim_time': sim_time}],
        )


def remappings(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return topics and the topics that replace them.

    Args:
        given: Values of the arguments :data:`ONE_CAMERA` or :data:`TWO_CAMERAS`; empty: the topic
            stays.
    """
    found = []
    for prefix, start in (('', ''), *((f'{eye}_', f'{eye}/') for eye in EYES)):
        spikes = given.get(f'{prefix}spikes', '')
        info = given.get(f'{prefix}camera_info', '') or _beside(spikes, 'camera_info')
        found += [(f'{start}spikes', spikes), (f'{start}camera_info', info)]
    image = given.get('image', '')
    # Without a namespace, camera_info beside it is that of the spikes.
    info = _beside(image, 'camera_info') or (image and f'{image}/camera_info')
    found += [('image', image), ('image/camera_info', info)]
    return [(topic, other) for topic, other in found if other]


def _beside(topic: str, name: str) -> str:
    """Return the topic of a name in the namespace of another topic; empty: that has none."""
    return beside(topic, name) if namespace(topic) else ''


def _sources(given: dict[str, str], parameters: NodeParameters, node: str) -> list[Action]:
    """Print model and device, and the source of each."""
    lines = []
    if not parameters.sections:
        lines.append(f'warning: {given["params_file"]} has no section for {node}, nor /**')
    model, model_source = parameters.find('checkpoint')
    device, device_source = parameters.find('device')
    lines.append(
        f'{node}: model {model or SHIPPED[0]} ({model_source}), '
        f'device {device or "auto"} ({device_source})'
    )
    return [LogInfo(msg=line) for line in lines]


def _cloud(given: dict[str, str], sim_time: bool) -> Action:
    return ComposableNodeContainer(
        name='spike_cloud_container',
        namespace=given['namespace'],
        package='rclcpp_components',
        executable='component_container',
        composable_node_descriptions=[
            ComposableNode(
                package=CLOUD_PACKAGE,
                plugin=f'{CLOUD_PACKAGE}::PointCloudXyzNode',
                name='spike_cloud',
                namespace=given['namespace'],
                remappings=[
                    ('image_rect', 'depth/image'),
                    ('camera_info', 'depth/camera_info'),
                    ('points', 'depth/points'),
                ],
                parameters=[{'use_sim_time': sim_time}],
            )
        ],
        output='screen',
    )
