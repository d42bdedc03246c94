# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Views of a running depth node, a few times a second: ``spike_view`` without a recording."""

from __future__ import annotations

import sys
import time

import rclpy

from spike_depth_ros.base import cli
from spike_depth_ros.base.errors import one_line
from spike_depth_ros.base.schema import fields_of
from spike_depth_ros.nodes.parts import process
from spike_depth_ros.nodes.parts.depth_topics import DepthTopics
from spike_depth_ros.nodes.parts.graph import Graph
from spike_depth_ros.nodes.parts.process import LossError, UserError
from spike_depth_ros.stream.decode import PacketError
from spike_depth_ros.tools.view.command import RecordedOptions, ViewOptions
from spike_depth_ros.tools.view.outputs import View, open_view

PERIOD_S = 0.2
"""Shortest time between two frames, seconds."""

SILENT_S = 5.0
"""Time without depth after which a reason is printed, seconds."""


def watch(graph: Graph, view: View) -> None:
    """Show the topics until the process is asked to end, or the viewer was closed."""
    topics = DepthTopics(graph)
    last_s, shown = time.monotonic(), ''
    while rclpy.ok() and not view.is_over():
        # Messages wait in their queues meanwhile, which keep the newest: most are never read.
        time.sleep(PERIOD_S)
        graph.wait_until(lambda: topics.complete() is not None, PERIOD_S)
        problem = ''
        try:
            frame = topics.take()
            if frame is not None:
                last_s = time.monotonic()
                view.add(frame)
        except PacketError as error:
            problem = one_line(error)
        if not problem and time.monotonic() - last_s > SILENT_S:
            problem = f'no depth on {topics.depth_name} for {SILENT_S:g} s'
            if not graph.publishers(topics.depth_name):
                problem = (
                    f'no node publishes {topics.depth_name}: start spike_depth, with the same '
                    'ROS_DOMAIN_ID and DDS profile; its namespace: --ros-args -r __ns:=/NAME'
                )
        if problem and problem != shown:
            print(f'warning: {problem}', file=sys.stderr, flush=True)
        shown = problem


def main(args: list[str] | None = None) -> int:
    """Run ``spike_view`` on the topics of a depth node; return the exit status."""
    given = sys.argv if args is None else args
    options = cli.options(ViewOptions, 'spike_view', process.own_arguments(given))

    def work(graph: Graph) -> int:
        try:
            _refuse_options_of_recordings(options)
            with open_view(options) as view:
                watch(graph, view)
        except ValueError as error:
            raise UserError(one_line(error)) from None
        except OSError as error:  # as of a file that an interrupt completes
            raise LossError(one_line(error)) from None
        return 0

    return process.run(Graph, given, work)


def _refuse_options_of_recordings(options: ViewOptions) -> None:
    for name, one in fields_of(RecordedOptions).items():
        if getattr(options, name) != one.default:
            raise UserError(f'--{name.replace("_", "-")}: needs a recording: name one')
