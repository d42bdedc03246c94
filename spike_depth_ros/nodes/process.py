# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How every process of ours starts and ends.

A process that dies without closing DDS leaves its shared-memory segments behind, and with large
segments /dev/shm fills up; so each way out leads through the same clean shutdown.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import rclpy
from ament_index_python.packages import get_package_share_directory
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from spike_depth_ros.nodes import internal_errors, shared_memory

SHARED_MEMORY = shared_memory.FOLDER
SEGMENT_BYTES = 268_435_456
"""Shared memory of one publishing process under our DDS profiles (config/dds)."""

QUEUE_PACKETS = 512
"""Packets in the queues of publishers and subscribers of spikes: a second of 20 kHz in packets of
40 planes, 256 MB of 400x250."""

PACKET_BYTES = 500_000
"""Bytes of a packet of 40 planes of 400x250, for which queues are made."""

LOWER_PRIORITY = 2
"""Steps of niceness by which inference gives way to what takes packets. docs/performance.md has
what other steps cost."""

NodeT = TypeVar('NodeT', bound=Node)
ResultT = TypeVar('ResultT')

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 32 * 1024 * 1024  # glibc takes no more than this as its mmap threshold


def keep_freed_memory() -> None:
    """Let malloc keep the memory of large messages.

    By default each message of half a megabyte is mapped from the kernel, page-faulted and
    unmapped again, which costs a subscriber three times its CPU time.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:  # glibc only
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 4 * _KEPT_BYTES)
        mallopt(_M_TOP_PAD, _KEPT_BYTES)


def dds_environment(
    profile: Path, publishers: int, folder: Path = SHARED_MEMORY
) -> tuple[dict[str, str], list[str]]:
    """Environment variables that give a process our DDS profile, and what to warn about.

    Args:
        profile: The Fast DDS profile.
        publishers: How many processes will publish, each with a segment of its own.
        folder: Where shared memory is mounted.

    Returns:
        The variables (none of ours where the user has set a profile or where shared memory is too
        small: then stock transports are used), and warnings, one line each.
    """
    given = os.environ.get('FASTRTPS_DEFAULT_PROFILES_FILE') or os.environ.get(
        'FASTDDS_DEFAULT_PROFILES_FILE'
    )
    if given:
        return {}, []
    left = shared_memory.warning(folder)
    warnings = [left] if left else []
    needed = publishers * SEGMENT_BYTES
    try:
        usage = os.statvfs(folder)
        free = usage.f_bavail * usage.f_frsize
    except OSError:
        free = 0
    if free < needed:
        warnings.append(
            f'{folder} has {free / 1e6:.0f} MB free, our DDS profile wants {needed / 1e6:.0f} MB: '
            'stock DDS transports are used and packets may be lost (docker run --shm-size=2g)'
        )
        return {'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}, warnings
    return {'FASTRTPS_DEFAULT_PROFILES_FILE': str(profile)}, warnings


def queue_depth(
    packets: int = QUEUE_PACKETS,
    folder: Path = SHARED_MEMORY,
    memory: Path = Path('/proc/meminfo'),
) -> tuple[int, str]:
    """Bound a queue of packets by what this machine has room for.

    Packets wait in the memory of their process; through shared memory no more of them can arrive
    at once than it holds.

    Args:
        packets: Packets wanted.
        folder: Where shared memory is mounted.
        memory: The kernel's table of memory.

    Returns:
        Packets that the queue may hold, at least 16 and at most ``packets``: their bytes are at
        most those of shared memory and a quarter of the memory available. And a warning of one
        line where these are fewer than wanted; else an empty text.
    """
    rooms = []
    with contextlib.suppress(OSError):
        usage = os.statvfs(folder)
        size = usage.f_blocks * usage.f_frsize
        rooms.append((size, f'{folder} holds {size / 1e6:.0f} MB (docker run --shm-size=2g)'))
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(':', 1) for line in memory.read_text().splitlines())
        free = 1024 * int(lines['MemAvailable'].split()[0])
        rooms.append((free // 4, f'{free / 1e6:.0f} MB of memory are available'))
    size, reason = min(rooms, default=(packets * PACKET_BYTES, ''))
    depth = max(16, min(packets, size // PACKET_BYTES))
    if depth >= packets:
        return packets, ''
    return depth, f'the queue of spikes holds {depth} packets instead of {packets}: {reason}'


def lower_priority(warn: Callable[[str], object]) -> None:
    """Lower the priority of the calling thread and of all that it will start.

    Args:
        warn: Called with one line where that is not permitted; nothing else changes then.
    """
    thread = threading.get_native_id()
    try:
        # On Linux the niceness is a thread's own, whatever POSIX says.
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, now + LOWER_PRIORITY)
    except OSError as error:
        warn(
            f'inference keeps the priority of what takes packets ({error.strerror}): planes may '
            'be lost when this machine is busy'
        )


def at_lower_priority(function: Callable[[], ResultT], warn: Callable[[str], object]) -> ResultT:
    """Call a function in a thread of lower priority, which threads that it starts inherit.

    Args:
        function: What to call; its exceptions are raised here.
        warn: See :func:`lower_priority`.
    """
    with concurrent.futures.ThreadPoolExecutor(
        1, 'lower_priority', initializer=lower_priority, initargs=(warn,)
    ) as pool:
        return pool.submit(function).result()


def shared_file(name: str) -> Path:
    """A launch or configuration file, wherever this package is installed.

    Args:
        name: Its path in the repository, such as ``config/dds/loopback.xml``.

    Raises:
        FileNotFoundError: It was not installed with the package.
    """
    package = Path(__file__).parents[1].name
    places = [Path(sys.prefix) / 'share' / package, Path(__file__).parents[2]]
    with contextlib.suppress(LookupError, OSError):  # not installed as a ROS package
        places.insert(0, Path(get_package_share_directory(package)))
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(
        f'{name} is in none of {", ".join(map(str, places))}: install {package} again'
    )


def asset(name: str) -> Path:
    """A file that ships inside the package, such as ``office.npz``."""
    return Path(__file__).parents[1] / 'assets' / name


def spin(node: Node) -> int:
    """Handle the node's callbacks until the process is asked to end."""
    rclpy.spin(node)
    return 0


def run(
    make_node: Callable[[], NodeT],
    args: Sequence[str] | None = None,
    work: Callable[[NodeT], int] = spin,
) -> int:
    """Run one node, then close it down.

    Exceptions of its callbacks and threads are logged and counted, and it goes on.

    Args:
        make_node: Makes the node; it may have ``close()``, called before it is destroyed.
        args: Command line with the ROS arguments; None takes the process's.
        work: What the process does with the node; its result is the exit status.

    Returns:
        The exit status: of ``work``, 0 after an interrupt or a requested shutdown, 1 if the node
        could not be made or could not go on (one line says why).
    """
    keep_freed_memory()
    # A closed terminal must not leave shared memory behind either.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    rclpy.init(args=list(sys.argv if args is None else args))
    # The executor of rclpy.spin and rclpy.spin_once.
    internal_errors.keep_spinning(
        rclpy.get_global_executor(), ends=(ExternalShutdownException, UserError)
    )
    internal_errors.count_failed_threads()
    node = None
    try:
        node = make_node()
        internal_errors.INTERNAL_ERRORS.log = node.get_logger().error
        internal_errors.keep_answering(node)
        return work(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except UserError as error:
        if not rclpy.ok():
            return 0  # interrupted: what was going on could not but fail
        if str(error):
            print(f'{Path(sys.argv[0]).name}: error: {error}', file=sys.stderr)
        return 1
    except RuntimeError:
        if rclpy.ok():
            raise
        return 0  # interrupted: rclpy shut down beneath whatever was going on
    finally:
        if node is not None:
            getattr(node, 'close', lambda: None)()
            node.destroy_node()
        # rclpy's signal thread may be shutting the context down at this very moment.
        with contextlib.suppress(RuntimeError):
            rclpy.try_shutdown()
        # All is closed: a second Ctrl-C must not turn this end into a failure.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def own_arguments(command_line: Sequence[str]) -> list[str]:
    """The arguments that are ours, without the program's name and the ROS ones.

    Raises:
        SystemExit: The ROS arguments are malformed; one line says so.
    """
    try:
        return list(remove_ros_args(list(command_line))[1:])
    except RuntimeError as error:  # rclpy has a class of its own, derived from it, in C
        reason = str(error).split(', at ')[0]
        raise SystemExit(f'{Path(sys.argv[0]).name}: error: ROS arguments: {reason}') from None


class UserError(Exception):
    """Something the user can mend; the message is all they need, empty if it was logged."""
