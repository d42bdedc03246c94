# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fuzz what the package reads of others: a million hostile inputs, each the same for a seed.

    python test/fuzz/run.py --seed 0 --cases 20000 --targets npz mcap --out fuzz_out

A case is a valid input (a message, file or value) with random changes. The contract: it works, or
it raises an error that is documented, in one line of bounded length; it takes at most 20 s of CPU
time, 3 minutes and 1 GiB of memory; the process lives on. Each part of the cases runs in a process
of its own; with ``--together`` one process runs those of all targets, which imports once.
``OUT/TARGET/SEED_FIRST.cases`` has a byte for each case of a part: ``.`` it worked, ``r`` it was
refused, ``F`` it failed, ``C`` it ended the process. The same command goes on where it was
stopped. ``OUT/TARGET/failures/`` has the input of each failing case, the problem, and the command
that repeats it. The exit status is 1 if any failed.
"""

import argparse
import contextlib
import faulthandler
import json
import mmap
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PATHS = (ROOT / 'test', ROOT / 'training', ROOT)
sys.path[:0] = [str(path) for path in PATHS if str(path) not in sys.path]

from judging import (  # noqa: E402
    CRASHED,
    FAILED,
    NOT_RUN,
    REFUSED,
    RUNNING,
    TARGETS,
    WORKED,
    Target,
    command_of,
    find_target,
    judge,
    problem_of,
    random_of,
    save_failure,
    say,
)

CPU_S, WALL_S = 20, 180
MEMORY_BYTES = 1 << 30
PART = 5000


def main(args: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(
        prog='run.py', description=str(__doc__).split('\n', 1)[0], epilog=', '.join(TARGETS)
    )
    add = parser.add_argument
    add('--seed', type=int, default=0, help='default: 0')
    add('--cases', type=int, default=1000, help='of a target without =CASES. Default: 1000')
    add('--first', type=int, default=0, help='number of the first case. Default: 0')
    add('--targets', nargs='+', default=list(TARGETS), help='NAME or NAME=CASES. Default: all')
    add('--together', action='store_true', help='run the cases of all targets in one process')
    add('--out', type=Path, default=Path('fuzz_out'), help='default: fuzz_out')
    add('--case', type=int, help='run this case alone, in this process, and print what it did')
    add('--save', type=Path, help='with --case: save its input in this folder, and run nothing')
    add('--parts', type=json.loads, help=argparse.SUPPRESS)  # a child's work
    add('--limits', nargs=3, type=int, default=(CPU_S, WALL_S, MEMORY_BYTES),
        help=argparse.SUPPRESS)  # fmt: skip
    options = parser.parse_args(args)
    warnings.simplefilter('ignore')
    _loopback()
    if options.parts:
        return _run_parts(options, [Part(*one) for one in options.parts])
    if options.case is not None:
        return _run_one(options)
    told = [(name, int(cases or options.cases)) for name, _, cases in
            (target.partition('=') for target in options.targets)]  # fmt: skip
    groups = [told] if options.together else [[one] for one in told]
    failed = sum(_run_targets(options, group) for group in groups)
    if failed:
        say(f'{failed} cases failed: {options.out}/TARGET/failures')
    return 1 if failed else 0


class Part(NamedTuple):
    """Cases of a target, which one process runs.

    Attributes:
        name: The target.
        first: Number of the first case.
        count: How many.
        path: File of what became of them.
    """

    name: str
    first: int
    count: int
    path: str


def _run_targets(options: argparse.Namespace, targets: list[tuple[str, int]]) -> int:
    """Run the cases of targets and tell what became of them; how many failed."""
    began, failed = time.monotonic(), 0
    parts = []
    for name, cases in targets:
        for first in range(options.first, options.first + cases, PART):
            last = min(first + PART, options.first + cases)
            file = options.out / name.replace(':', '.') / f'{options.seed}_{first:07d}.cases'
            parts.append(Part(name, first, last - first, str(file)))
    for group in [parts] if options.together else [[one] for one in parts]:
        _finish_parts(options, group)
    for name, _ in targets:
        found = b''.join(Path(part.path).read_bytes() for part in parts if part.name == name)
        failed += found.count(FAILED) + found.count(CRASHED)
        say(
            f'{name}: {len(found)} cases, {found.count(WORKED)} worked, '
            f'{found.count(REFUSED)} refused, {found.count(FAILED)} failed, '
            f'{found.count(CRASHED)} crashed; {time.monotonic() - began:.0f} s'
        )
    return failed


def _loopback() -> None:
    """Keep what is published, by the node whose parameters are set, on this machine."""
    os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(ROOT / 'config/dds/loopback.xml')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 99))
    os.environ.setdefault('OMP_NUM_THREADS', '1')


def _finish_parts(options: argparse.Namespace, parts: list[Part]) -> None:
    """Run what is left of parts, in one process if no case ends it."""
    for part in parts:
        path = Path(part.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        known = path.read_bytes() if path.exists() else b''
        # A part that was stopped in a case runs it again.
        known = known[: part.count].split(bytes((NOT_RUN,)))[0].split(bytes((RUNNING,)))[0]
        path.write_bytes(known.ljust(part.count, bytes((NOT_RUN,))))
    while left := [part for part in parts if NOT_RUN in Path(part.path).read_bytes()]:
        command = [
            sys.executable,
            __file__,
            '--seed',
            str(options.seed),
            '--out',
            str(options.out),
        ]
        command += ['--parts', json.dumps(left), '--limits', *map(str, options.limits)]
        log = Path(left[0].path).with_name('child.log')
        # What a case that ends its process leaves in temporary folders is removed as well.
        with log.open('wb') as output, tempfile.TemporaryDirectory() as scratch:
            child = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, 'TMPDIR': scratch},
            )
            with _ended_with_us(child):
                status = child.wait()
        tail = log.read_text(errors='replace')[-10_000:]
        ended = next((part for part in left if RUNNING in Path(part.path).read_bytes()), None)
        if ended:
            outcomes = bytearray(Path(ended.path).read_bytes())
            place = outcomes.index(RUNNING)
            outcomes[place] = CRASHED
            Path(ended.path).write_bytes(outcomes)
            problem = f'the process ended with status {status}\n{tail}'
            _save_crash(options, ended.name, ended.first + place, problem)
            say(f'{ended.name} {ended.first + place} crashed: status {status}')
        elif status:
            raise RuntimeError(f'{left[0].name} cannot be prepared: {tail}')


@contextlib.contextmanager
def _ended_with_us(child: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        child.kill()
        child.wait()
        raise


def _save_crash(options: argparse.Namespace, name: str, index: int, problem: str) -> None:
    """Save a case that ended its process; what makes it again is a process of its own, too."""
    folder = _failure(options, name, index)
    command = [sys.executable, __file__, '--seed', str(options.seed), '--targets', name]
    command += ['--case', str(index), '--save', str(folder)]
    subprocess.run(command, check=False, capture_output=True)
    save_failure(folder, command_of(options.seed, name, index), {}, problem)


def _failure(options: argparse.Namespace, name: str, index: int) -> Path:
    folder: Path = options.out / name.replace(':', '.') / 'failures' / f'{options.seed}_{index}'
    return folder


def _run_one(options: argparse.Namespace) -> int:
    (name,) = options.targets
    target = find_target(name)
    target.prepare()
    case = target.make(random_of(options.seed, name, options.case))
    command = command_of(options.seed, name, options.case)
    if options.save is not None:
        save_failure(options.save, command, case, 'not run')
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        outcome = judge(target, case, Path(scratch))
    say({WORKED: 'it works', REFUSED: 'it is refused as documented'}[outcome])
    return 0


def _run_parts(options: argparse.Namespace, parts: list[Part]) -> int:
    """The work of a child: the cases of parts that were not run."""
    targets = {part.name: find_target(part.name) for part in parts}
    for target in targets.values():
        target.prepare()
    # Not by a handler in Python, which would wait for the end of a call in C.
    for number in (signal.SIGPROF, signal.SIGALRM):
        faulthandler.register(number, chain=True)
    faulthandler.enable()
    with tempfile.TemporaryDirectory(prefix='spike_depth_fuzz_') as scratch:
        for part in parts:
            _limit_memory(options.limits[2])
            _run_part(options, part, targets[part.name], Path(scratch, 'case'))
    # Libraries that a hostile input has left in an odd state must not spoil the end.
    sys.stdout.flush()
    os._exit(0)


def _run_part(options: argparse.Namespace, part: Part, target: Target, folder: Path) -> None:
    """Run the cases of a part that were not run; each has an empty folder."""
    cpu_s, wall_s, _ = options.limits
    with open(part.path, 'r+b') as file, mmap.mmap(file.fileno(), part.count) as outcomes:
        for place in range(part.count):
            if outcomes[place] != NOT_RUN:
                continue
            outcomes[place] = RUNNING
            folder.mkdir()
            index = part.first + place
            case = target.make(random_of(options.seed, part.name, index))
            signal.setitimer(signal.ITIMER_PROF, cpu_s)
            signal.setitimer(signal.ITIMER_REAL, wall_s)
            try:
                outcome = judge(target, case, folder)
            except Exception as error:  # the contract knows no other kind
                outcome = FAILED
                command = command_of(options.seed, part.name, index)
                save_failure(_failure(options, part.name, index), command, case, problem_of(error))
                print(f'{part.name} {index} failed: {type(error).__name__}', flush=True)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            shutil.rmtree(folder, ignore_errors=True)
            outcomes[place] = outcome


def _limit_memory(more: int) -> None:
    """Let this process have so many bytes beyond what it has now."""
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    # For the next target it is set anew.
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == '__main__':
    sys.exit(main())
