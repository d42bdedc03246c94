# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Render views of furnished rooms with exact depth, to train on (docs/reference/rooms.md).

    pip install -r training/spike_worlds/blender/requirements.txt     # Python 3.11
    sudo apt-get install sweethome3d-furniture
    python training/spike_worlds/blender/make.py --views 2000 --out rooms --processes 2

Started again with the same arguments it goes on where it was stopped. What it writes is a function
of seed and size alone, up to the last bits of a machine's arithmetic in the colours.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import multiprocessing
import os
import queue
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / 'training')]  # before the imports of both

from spike_depth_ros.base.errors import OneLineError, one_line, shorten  # noqa: E402
from spike_depth_ros.base.locks import lock_folder  # noqa: E402
from spike_depth_ros.base.results import remove_unfinished, write_atomically  # noqa: E402
from spike_worlds import rendered_set  # noqa: E402
from spike_worlds.blender import catalogue  # noqa: E402
from spike_worlds.blender.catalogue import Catalogue, read_catalogue  # noqa: E402
from spike_worlds.parent import end_with_parent  # noqa: E402

VIEWS_PER_ROOM = 10


class MakeError(OneLineError):
    """Set that cannot be made."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Render a set; return the exit status."""
    options = _parse(arguments)
    try:
        _check(options)
        found = read_catalogue(options.furniture)
        with lock_folder(options.out):
            _make(options, found)
    except (OneLineError, OSError) as error:
        print(f'make.py: {one_line(error)}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nstopped: the same command goes on', file=sys.stderr)
        return 130
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or '').partition('\n')[0])
    parser.add_argument('--views', type=int, default=2000, help='views in all (2000)')
    parser.add_argument('--out', type=Path, required=True, help='folder of the set')
    parser.add_argument('--processes', type=int, default=1, help='processes of one core each (1)')
    parser.add_argument('--seed', type=int, default=0, help='seed of rooms and cameras (0)')
    parser.add_argument('--width', type=int, default=384, help='columns of an image (384)')
    parser.add_argument('--height', type=int, default=256, help='rows of an image (256)')
    parser.add_argument(
        '--furniture', type=Path, default=catalogue.FOLDER, help='folder of the models (.sh3f)'
    )
    return parser.parse_args(arguments)


def _check(options: argparse.Namespace) -> None:
    for name, least in (
        ('views', 1),
        ('processes', 1),
        ('width', 32),
        ('height', 32),
        ('seed', 0),
    ):
        if getattr(options, name) < least:
            raise MakeError(f'--{name} is {getattr(options, name)}: expected {least} or more')
    for module in ('bpy', 'PIL'):
        if importlib.util.find_spec(module) is None:
            raise MakeError(
                f'the Python module {module} is missing: pip install -r '
                'training/spike_worlds/blender/requirements.txt (bpy 4.4 needs Python 3.11, '
                f'this is {sys.version_info.major}.{sys.version_info.minor})'
            )


def _make(options: argparse.Namespace, found: Catalogue) -> None:
    remove_unfinished(options.out)
    _write_manifest(options, {})
    _write_attribution(options, found)
    for reason, keys in found.skipped.items():
        print(f'{len(keys)} models left out, {reason}: {", ".join(keys)}')
    todo = [
        number
        for number in range(-(-options.views // VIEWS_PER_ROOM))
        if _missing_views(options, number)
    ]
    missing = sum(len(_missing_views(options, number)) for number in todo)
    print(f'{options.views - missing} of {options.views} views are there', flush=True)
    left_out = {reason: sorted(keys) for reason, keys in found.skipped.items()}
    if todo:
        broken = _run(options, todo, missing)
        for key, reason in broken.items():
            left_out.setdefault(reason, []).append(key)
            print(f'model {key} left out: {reason}')
        _write_manifest(options, left_out)
    print(f'{options.views} views in {options.out}', flush=True)


def _write_manifest(options: argparse.Namespace, left_out: dict[str, list[str]]) -> None:
    """Write the manifest, or check it against one that is there.

    Raises:
        MakeError: The folder holds another set, or something else.
    """
    path = options.out / rendered_set.MANIFEST
    own: dict[str, Any] = {
        'format': rendered_set.FORMAT,
        'version': rendered_set.VERSION,
        'seed': options.seed,
        'width': options.width,
        'height': options.height,
        'views_per_room': VIEWS_PER_ROOM,
    }
    known: dict[str, Any] = {}
    if path.exists():
        try:
            known = dict(json.loads(path.read_text(encoding='utf-8')))
        except (ValueError, TypeError) as error:
            raise MakeError(f'{path}: is damaged; choose another folder') from error
        for name, value in own.items():
            if (found := known.get(name)) != value:
                raise MakeError(
                    f'{options.out} holds a set with {name} {shorten(repr(found), 220)}, expected '
                    f'{value!r}: give that, or choose another folder'
                )
    elif any(one.name != '.lock' for one in options.out.iterdir()):
        raise MakeError(f'{options.out} is not empty and holds no set: choose another folder')
    names = {reason: {*keys} for reason, keys in known.get('left_out', {}).items()}
    for reason, keys in left_out.items():
        names.setdefault(reason, set()).update(keys)
    own['left_out'] = {reason: sorted(keys) for reason, keys in sorted(names.items())}
    write_atomically(path, (json.dumps(own, indent=1) + '\n').encode())


def _write_attribution(options: argparse.Namespace, found: Catalogue) -> None:
    """Write the authors of the models.

    Raises:
        MakeError: The set was begun with other models, whose authors would be lost.
    """
    path, content = options.out / rendered_set.ATTRIBUTION, found.attribution().encode()
    if path.exists() and path.read_bytes() != content:
        raise MakeError(
            f'{path} names other models than those in {options.furniture}: give the --furniture '
            'that the set was begun with, or choose another folder'
        )
    write_atomically(path, content)


def _missing_views(options: argparse.Namespace, number: int) -> list[int]:
    """Return the numbers of a room's views that are not there yet."""
    folder = options.out / rendered_set.room_name(number)
    last = min(VIEWS_PER_ROOM, options.views - number * VIEWS_PER_ROOM)
    return [k for k in range(last) if not (folder / rendered_set.view_name(k)).is_dir()]


# Processes -------------------------------------------------------------------------------------


def _run(options: argparse.Namespace, rooms: list[int], missing: int) -> dict[str, str]:
    """Render rooms in some processes; return the models that are broken."""
    spawn = multiprocessing.get_context('spawn')
    news: Any = spawn.Queue()
    number = min(options.processes, len(rooms))
    workers = [
        spawn.Process(target=_work, args=(options, rooms[k::number], k, news), daemon=True)
        for k in range(number)
    ]
    for worker in workers:
        worker.start()
    broken: dict[str, str] = {}
    done, ended, since = 0, 0, time.monotonic()
    try:
        while ended < number:
            kind, value = _next(news, workers)
            if kind == 'end':
                ended += 1
                broken.update(value)
            elif kind == 'error':
                raise MakeError(f'{value}; the same command goes on')
            else:
                done += 1
                each = (time.monotonic() - since) / done
                left = each * (missing - done) / 60
                print(
                    f'{value}: {done} of {missing} views, {each:.1f} s a view, '
                    f'{left:.0f} minutes left',
                    flush=True,
                )
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
    return broken


def _next(news: Any, workers: Sequence[Any]) -> tuple[str, Any]:
    """Return the next message of the processes.

    Raises:
        MakeError: One of them has died.
    """
    while True:
        try:
            message: tuple[str, Any] = news.get(timeout=2.0)
            return message
        except queue.Empty:
            for worker in workers:
                if worker.exitcode not in (None, 0):
                    raise MakeError(
                        f'a process ended with status {worker.exitcode} (below 0: a signal; 9 is '
                        'often lack of memory): the same command goes on; try fewer --processes'
                    ) from None


def _work(options: argparse.Namespace, rooms: list[int], number: int, news: Any) -> None:
    """Render rooms, in a process of its own."""
    end_with_parent()  # another command may work in the folder then
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # Blender prints hundreds of lines
        os.dup2(silent, stream)
    try:
        # With several cores in reach, a second thread of Blender waits busily on one of them.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[number % len(cores)]})
        from spike_worlds.blender.store import RoomWriter

        writer = RoomWriter(read_catalogue(options.furniture), options)
        for room in rooms:
            for name in writer.render(room, _missing_views(options, room)):
                news.put(('view', name))
        news.put(('end', writer.broken))
    except KeyboardInterrupt:
        return
    except Exception as error:  # the parent reports it
        kind = '' if isinstance(error, OneLineError | OSError) else f'{type(error).__name__}: '
        news.put(('error', f'{kind}{one_line(error)}'))
    news.close()
    news.join_thread()


if __name__ == '__main__':
    sys.exit(main())
