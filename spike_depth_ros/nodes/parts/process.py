# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start and end of the processes of this package.

A process that ends without closing DDS leaves its shared-memory segments behind, which fill
/dev/shm. Every exit therefore takes the same clean shutdown.
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
from rclpy.signals import uninstall_signal_handlers
from rclpy.utilities import remove_ros_args

from spike_depth_ros.base.errors import OneLineError, check_utf8, memory_problem
from spike_depth_ros.nodes.parts import internal_errors, shared_memory
from spike_depth_ros.nodes.parts.ending import EndRequests, bounded

SHARED_MEMORY = shared_memory.FOLDER
SEGMENT_BYTES = 268_435_456
"""Shared memory of one publishing process with the profiles of config/dds, bytes."""

QUEUE_PACKETS = 512
"""Packets in the queues of publishers and subscribers of spikes: a second of 20 kHz in packets of
40 planes, 256 MB of 400x250."""

PACKET_BYTES = 500_000
"""Bytes of a packet of 40 planes of 400x250, for the size of queues."""

LOWER_PRIORITY = 2
"""Steps of niceness of inference below ingest."""

OF_WHEELS = (
    'AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH', 'PYTHONPATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
)  # fmt: skip
"""Environment variables that ROS 2 from wheels sets for its own virtual environment alone."""

NodeT = TypeVar('NodeT', bound=Node)
ResultT = TypeVar('ResultT')

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_KEPT_BYTES = 32 * 1024 * 1024  # glibc takes no more than this as its mmap threshold


def keep_freed_memory() -> None:
    """Make malloc keep the memory of large messages.

    By default each message of half a megabyte is mapped from the kernel, page-faulted and unmapped
    again, which takes a subscriber three times its CPU time.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:  # glibc only
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 4 * _KEPT_BYTES)
        mallopt(_M_TOP_PAD, _KEPT_BYTES)


def return_freed_memory() -> None:
    """Return the memory of a closed model to the kernel.

    Each thread that loads one may use another arena of malloc, which :func:`keep_freed_memory`
    makes keep tens of megabytes.
    """
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:  # glibc only
        trim(0)


def given_profile() -> str:
    """Return the DDS profile that the user has set; empty: none."""
    names = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'
    return next(filter(None, map(os.environ.get, names)), '')


def dds_environment(
    profile: Path, publishers: int, folder: Path = SHARED_MEMORY
) -> tuple[dict[str, str], list[str]]:
    """Return the environment variables of the DDS profile, and warnings.

    Args:
        profile: The Fast DDS profile.
        publishers: Number of publishing processes, each with a segment.
        folder: Mount point of shared memory.

    Returns:
        The variables and warnings, one line each. There is no profile among the variables if the
        user has set one, or if shared memory is too small: stock transports are used then.
    """
    if given_profile():
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
            f'{folder} has {free / 1e6:.0f} MB free, the DDS profile needs {needed / 1e6:.0f} MB: '
            'stock DDS transports are used and packets may be lost (docker run --shm-size=2g)'
        )
        return {}, warnings
    return {'FASTRTPS_DEFAULT_PROFILES_FILE': str(profile)}, warnings


def queue_depth(
    packets: int = QUEUE_PACKETS,
    folder: Path = SHARED_MEMORY,
    memory: Path = Path('/proc/meminfo'),
) -> tuple[int, str]:
    """Limit a queue of packets by the memory of this machine.

    Packets wait in the memory of their process. Through shared memory no more of them can arrive
    at once than it holds.

    Args:
        packets: Requested number of packets.
        folder: Mount point of shared memory.
        memory: The kernel's table of memory.

    Returns:
        Number of packets, 16 to ``packets``, whose bytes are at most those of shared memory and a
        quarter of the available memory; and a warning of one line if it is less than requested,
        else an empty text.
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


def lower_priority(
    warn: Callable[[str], object], work: str = 'inference', steps: int = LOWER_PRIORITY
) -> None:
    """Lower the priority of the calling thread and of threads that it starts.

    Args:
        warn: Called with one line if that is not permitted.
        work: What the thread does, for that line.
        steps: Steps of niceness.
    """
    thread = threading.get_native_id()
    try:
        # On Linux, unlike POSIX, each thread has its own niceness.
        now = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, now + steps)
    except OSError as error:
        warn(
            f'{work} has the priority of ingest ({error.strerror}): planes may be lost when this '
            'machine is busy'
        )


def at_lower_priority(function: Callable[[], ResultT], warn: Callable[[str], object]) -> ResultT:
    """Call a function in a thread of lower priority, inherited by threads that it starts.

    Args:
        function: The function; its exceptions are raised here.
        warn: See :func:`lower_priority`.
    """
    with concurrent.futures.ThreadPoolExecutor(
        1, 'lower_priority', initializer=lower_priority, initargs=(warn,)
    ) as pool:
        return pool.submit(function).result()


def shared_file(name: str) -> Path:
    """Find a launch or configuration file of the installed package.

    Args:
        name: Its path in the repository, such as ``config/dds/loopback.xml``.

    Raises:
        FileNotFoundError: It was not installed with the package.
    """
    package = Path(__file__).parents[2].name
    places = [Path(sys.prefix) / 'share' / package, Path(__file__).parents[3]]
    with contextlib.suppress(LookupError, OSError):  # not installed as a ROS package
        places.insert(0, Path(get_package_share_directory(package)))
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(
        f'{name} is in none of {", ".join(map(str, places))}: install {package} again'
    )


def asset(name: str) -> Path:
    """Return the path of a file among the package's assets, such as ``office.npz``."""
    return Path(__file__).parents[2] / 'assets' / name


def spin(node: Node) -> int:
    """Handle the node's callbacks until the process is requested to end."""
    rclpy.spin(node)
    return 0


def run(
    make_node: Callable[[], NodeT],
    args: Sequence[str] | None = None,
    work: Callable[[NodeT], int] = spin,
    interruptible: bool = True,
) -> int:
    """Run one node, then shut it down.

    Exceptions of its callbacks and threads are logged and counted, and the node goes on.

    Args:
        make_node: Makes the node; it may have ``close()``, called before it is destroyed.
        args: Command line with the ROS arguments; None: that of the process.
        work: Called with the node; returns the exit status.
        interruptible: SIGINT raises KeyboardInterrupt in ``work``, unless it is :func:`spin`.
            False: ``work`` returns once rclpy is shut down.

    Returns:
        The exit status: of ``work``, 0 after an interrupt or a requested shutdown, 1 if the node
        could not be made or could not go on, or results are lost (the reason is printed in one
        line).
    """
    keep_freed_memory()
    requests = EndRequests({signal.SIGINT: KeyboardInterrupt})
    rclpy.init(args=list(sys.argv if args is None else args))
    # The executor of rclpy.spin and rclpy.spin_once.
    internal_errors.guard_executor(
        rclpy.get_global_executor(),
        ends=(ExternalShutdownException, UserError),
        interrupted=lambda: bool(requests.raised),
    )
    internal_errors.count_failed_threads()
    node = None
    try:
        try:
            requests.raise_them()
            node = make_node()
            internal_errors.INTERNAL_ERRORS.log = node.get_logger().error
            internal_errors.guard_services(node)
            if work is spin or not interruptible:
                # rclpy ends it. An exception in the middle of a callback could leave a lock taken
                # that the closing waits for.
                requests.ignore()
            return work(node)
        except UserError as error:
            ended = requests.raised or not rclpy.ok()
            if ended and not isinstance(error, LossError):
                return 0  # interrupted: the error is its consequence
            if str(error):
                print(f'{Path(sys.argv[0]).name}: error: {error}', file=sys.stderr)
            return 1
        except Exception as error:
            if problem := memory_problem(error):
                print(f'{Path(sys.argv[0]).name}: error: {problem}', file=sys.stderr)
                return 1
            shut_down = isinstance(error, RuntimeError) and not rclpy.ok()
            if not shut_down and not requests.raised:
                raise
            return 0  # interrupted: native code may put its own error in place of the interrupt
        finally:
            requests.ignore()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    finally:
        with bounded('closing'):
            _end_signals()
            if node is not None:
                getattr(node, 'close', lambda: None)()
                node.destroy_node()
            rclpy.try_shutdown()


def _end_signals() -> None:
    """Ignore further signals, and wait until rclpy has handled the one before.

    Its thread for that uses what the end of an executor, and of the context, frees.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # also while the interpreter ends
        signal.signal(number, signal.SIG_IGN)
    uninstall_signal_handlers()


def own_arguments(command_line: Sequence[str]) -> list[str]:
    """Return the arguments without the program's name and the ROS arguments.

    Raises:
        SystemExit: The ROS arguments are malformed, or one is not valid UTF-8.
    """
    try:
        check_utf8(*command_line)
        return list(remove_ros_args(list(command_line))[1:])
    except OneLineError as error:
        raise SystemExit(f'{Path(sys.argv[0]).name}: error: {error}') from None
    except RuntimeError as error:  # rclpy has a class of its own, derived from it, in C
        reason = str(error).split(', at ')[0]
        raise SystemExit(f'{Path(sys.argv[0]).name}: error: ROS arguments: {reason}') from None


class UserError(Exception):
    """Error that the user can fix; the message is one line, empty if it was logged."""


class LossError(UserError):
    """Loss of results, no consequence of an interrupt: it is told after one, too."""
