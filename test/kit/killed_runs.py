# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs of ``training/run.py train`` that SIGKILL ends at a chosen moment.

A moment is a line that the run prints (one for each step), or a file below its folder that it
opens for writing, renames or removes, counted from the start of the process: before it happens the
process kills itself. Each run is a process of its own, forked before anything was trained.

    killed_runs.py CONFIG OUT MOMENT [MOMENT...]

starts the run once for each moment, and prints what the moment was; 0 never kills. The exit status
is 1 where a run ends otherwise than it should.
"""

import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / 'training')]
WRITING = os.O_WRONLY | os.O_RDWR


class Moments:
    """Counts moments, and ends the process at one of them."""

    def __init__(self, out: Path, wanted: int) -> None:
        self._out, self._wanted, self.number = str(out), wanted, 0

    def count(self, what: str) -> None:
        """Take a moment in; the last one is printed."""
        self.number += 1
        if self.number == self._wanted:
            os.write(2, f'{what}\n'.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hook of the interpreter: called before what it names happens."""
        if event not in ('open', 'os.rename', 'os.remove') or not arguments:
            return
        path = arguments[0]
        if not isinstance(path, (str, os.PathLike)) or not str(path).startswith(self._out):
            return
        if event == 'open' and not arguments[2] & WRITING:
            return
        self.count(f'{event} {Path(path).relative_to(self._out)}')

    def write(self, text: str) -> int:
        """Of standard output."""
        if '\n' in text:
            self.count('print')
        return len(text)

    def flush(self) -> None:
        """Of standard output."""

    def isatty(self) -> bool:
        """Of standard output."""
        return False


def train(config: Path, out: Path, moment: int) -> None:
    """Run the command in this process."""
    specification = importlib.util.spec_from_file_location('run', ROOT / 'training' / 'run.py')
    assert specification is not None
    assert specification.loader is not None
    run = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(run)
    moments = Moments(out, moment)
    sys.stdout = moments
    sys.addaudithook(moments.audit)
    sys.argv = ['run.py', 'train', '--config', str(config), '--out', str(out), '--resume', 'true']
    run.main()
    os.write(2, f'finished {moments.number}\n'.encode())


def main() -> int:
    """Run the command line; the exit status."""
    config, out = map(Path, sys.argv[1:3])
    # What is imported here need not be imported by each process; nothing is computed.
    import spike_training.methods.bicross.stages.cross_domain
    import spike_training.methods.bicross.stages.cross_modality
    import spike_training.methods.bicross.stages.pretrain
    import spike_training.runs.pipeline  # noqa: F401

    for moment in map(int, sys.argv[3:]):
        child = os.fork()
        if not child:
            status = 1
            try:
                train(config, out, moment)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        expected = signal.SIGKILL if moment else 0
        if status != expected:
            print(f'the run with moment {moment} ended with status {status}', file=sys.stderr)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
