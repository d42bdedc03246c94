# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Topic commands of ``spike_inspect``: rates, messages, images, diagnostics."""

from __future__ import annotations

import io
import itertools
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from cv_bridge import CvBridgeError
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from PIL import Image as Picture
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from spike_depth_ros.base.results import (
    ResultFileError,
    UnfinishedFolder,
    check_new_file,
    place_result,
)
from spike_depth_ros.geometry.depth_values import LARGEST_16
from spike_depth_ros.io.arrays import encode_png
from spike_depth_ros.nodes.parts.conversions import array_from_msg
from spike_depth_ros.nodes.parts.graph import (
    ANY_PUBLISHER,
    NOTHING_KNOWN,
    Graph,
    message_class,
    printable,
)
from spike_depth_ros.nodes.parts.process import UserError
from spike_depth_ros.stream.decode import METRES, MILLIMETRES

LONGEST = 32
"""Elements of an array that are printed at most."""

IMAGE = 'sensor_msgs/msg/Image'
GREY = ('mono8', '8UC1')
FILES = ('.png', '.npy')

LEVELS = {
    DiagnosticStatus.OK: ('OK', 'green'),
    DiagnosticStatus.WARN: ('WARN', 'yellow'),
    DiagnosticStatus.ERROR: ('ERROR', 'bold red'),
    DiagnosticStatus.STALE: ('STALE', 'magenta'),
}


class RateMeter:
    """Meter of the rate of a topic's messages, from the first to the last received.

    Args:
        graph: Node that subscribes.
        topic: Full name of the topic.
        kind: Its type.
    """

    def __init__(self, graph: Graph, topic: str, kind: str) -> None:
        self._times: list[float] = []
        self._unknown = False
        try:
            message = message_class(kind)
            graph.create_subscription(message, topic, self._note, ANY_PUBLISHER, raw=True)
        except UserError:
            self._unknown = True

    def _note(self, _: bytes) -> None:
        self._times.append(time.monotonic())

    def __str__(self) -> str:
        if self._unknown:
            return 'type not installed'
        return rate_text(self._times)


def rate_text(times_s: Sequence[float]) -> str:
    """Return the mean rate of messages that arrived at these times, or their number if few."""
    if len(times_s) < 2 or times_s[-1] <= times_s[0]:
        return f'{len(times_s)} received'
    return f'{(len(times_s) - 1) / (times_s[-1] - times_s[0]):.1f} Hz'


def show_topics(graph: Graph, options: Any) -> int:
    """Print every topic with its type, its nodes and its rate."""
    if not graph.wait_until(graph.topics, options.timeout):
        raise UserError(f'no topics within {options.timeout:g} s; {NOTHING_KNOWN}')
    meters: dict[str, RateMeter] = {}
    end = time.monotonic() + options.seconds
    while (left := end - time.monotonic()) > 0:
        for topic, kind in graph.topics().items():
            if topic not in meters and graph.publishers(topic):
                meters[topic] = RateMeter(graph, topic, kind)
        graph.spin_for(min(left, 0.2))
    topics = sorted(graph.topics().items())
    rows = (
        (
            topic,
            kind,
            len(graph.publishers(topic)),
            len(graph.subscribers(topic)),
            meters.get(topic, ''),
        )
        for topic, kind in topics
    )
    _console().print(_table(('topic', 'type', 'publishers', 'subscribers', 'rate'), rows))
    return 0


def echo(graph: Graph, options: Any) -> int:
    """Print messages of a topic as YAML, long arrays shortened."""
    topic, kind = graph.find_topic(options.topic, options.timeout)
    messages = graph.messages(topic, kind, options.timeout)
    for message in itertools.islice(messages, options.count):
        print_yaml(plain(message))
        print('---', flush=True)
    return 0


def plain(value: Any) -> Any:
    """Convert a message to dictionaries, lists and numbers; long arrays are shortened."""
    if hasattr(value, 'get_fields_and_field_types'):
        return {name: plain(getattr(value, name)) for name in value.get_fields_and_field_types()}
    if isinstance(value, bytes):  # ROS has this for a single byte
        return value[0] if len(value) == 1 else value.hex()
    if isinstance(value, (bool, int, float, str)):
        return value
    first = [plain(each) for each in value[:LONGEST]]
    more = len(value) - len(first)
    return [*map(_scalar, first), *([f'and {more} more'] if more else [])]


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def save(graph: Graph, options: Any) -> int:
    """Write one image of a topic to a file."""
    file: Path = options.file
    if file.suffix not in FILES:
        raise UserError(f'{file}: expected a name that ends in {" or ".join(FILES)}')
    try:
        check_new_file(file, options.overwrite, 'save')
    except ResultFileError as error:
        raise UserError(str(error)) from None
    topic, kind = graph.find_topic(options.topic, options.timeout, IMAGE)
    message = next(graph.messages(topic, kind, options.timeout))
    try:
        pixels = array_from_msg(message)
    except (CvBridgeError, KeyError, TypeError, ValueError) as error:
        problem = ' '.join(str(error).split())
        raise UserError(f'{topic}: not a valid {message.encoding!r} image ({problem})') from None
    content = io.BytesIO()
    if file.suffix == '.npy':
        np.save(content, pixels)
    else:
        stored = png_pixels(pixels, message.encoding)
        if message.encoding == METRES:
            content.write(encode_png(stored, bool((stored == LARGEST_16).any())))
        else:
            Picture.fromarray(stored).save(content, 'PNG')
    try:
        with UnfinishedFolder(file.parent) as name:
            made = Path(name) / file.name
            made.write_bytes(content.getbuffer())
            file = place_result(made, file, options.overwrite)
    except OSError as error:
        raise UserError(f'{file}: {error.strerror}') from error
    print(f'{file}: {message.width}x{message.height}, {message.encoding}')
    return 0


def png_pixels(pixels: npt.NDArray[Any], encoding: str) -> npt.NDArray[Any]:
    """Convert an image to the values of a grey PNG: metres to 16-bit millimetres, others as is.

    NaN and -Inf become 0; +Inf, and values beyond the range, 65535, which a text chunk of the file
    tells from the 65535 of others, that is unknown.

    Raises:
        UserError: The encoding has no such PNG.
    """
    if encoding == METRES:
        with np.errstate(over='ignore'):  # beyond float32 is beyond the range
            scaled = np.nan_to_num(pixels * 1000.0, nan=0.0, posinf=np.inf, neginf=0.0)
        return np.rint(np.clip(scaled, 0, LARGEST_16)).astype(np.uint16)
    if encoding in (*GREY, MILLIMETRES):
        return pixels
    expected = ', '.join((METRES, MILLIMETRES, *GREY))
    raise UserError(f'an image of encoding {encoding!r} is not saved as .png; expected {expected}')


def show_diagnostics(graph: Graph, options: Any) -> int:
    """Print the newest status of each name on ``/diagnostics``, the worst first."""
    newest: dict[str, DiagnosticStatus] = {}

    def note(array: DiagnosticArray) -> None:
        newest.update({status.name: status for status in array.status})

    graph.create_subscription(DiagnosticArray, '/diagnostics', note, ANY_PUBLISHER)
    if not graph.wait_until(lambda: newest, options.timeout):
        raise UserError(f'no message on /diagnostics within {options.timeout:g} s')
    if options.watch:
        with Live(console=_console(), auto_refresh=False) as live:
            while True:
                live.update(_diagnostics_table(newest.values()), refresh=True)
                graph.spin_for(0.5)
    graph.spin_for(options.seconds)
    _console().print(_diagnostics_table(newest.values()))
    return 0


def _diagnostics_table(statuses: Iterable[DiagnosticStatus]) -> Table:
    ordered = sorted(statuses, key=lambda status: (-status.level[0], status.name))
    rows = (
        (LEVELS.get(status.level, (status.level.hex(), ''))[0], status.name, status.message)
        for status in ordered
    )
    styles = [LEVELS.get(status.level, ('', ''))[1] for status in ordered]
    return _table(('level', 'status', 'message'), rows, styles)


def _console() -> Console:
    """Return a console; lines are not wrapped if the output is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else 10_000)


def _table(
    header: Sequence[str], rows: Iterable[Sequence[object]], styles: Sequence[str] = ()
) -> Table:
    """Make a table; with styles, the first cell of each row has one."""
    table = Table(*header, box=None, pad_edge=False)
    for number, row in enumerate(rows):
        cells = [Text(printable(str(cell))) for cell in row]
        if styles:
            cells[0].stylize(styles[number])
        table.add_row(*cells)
    return table


class _Dumper(yaml.SafeDumper):
    """YAML dumper that writes lists of plain values in one line."""


def _represent_list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    nested = any(isinstance(value, (dict, list)) for value in values)
    return dumper.represent_sequence('tag:yaml.org,2002:seq', values, flow_style=not nested)


_Dumper.add_representer(list, _represent_list)


def print_yaml(content: dict[str, Any]) -> None:
    """Print names and values as YAML."""
    print(yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=100), end='')
