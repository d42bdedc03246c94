# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_upsample``: enlarges depth maps in files."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from spike_depth_ros.base import cli
from spike_depth_ros.base.cli import POSITIONAL
from spike_depth_ros.base.errors import OneLineError, check_link, check_utf8, naming
from spike_depth_ros.base.locks import lock_folder
from spike_depth_ros.base.results import (
    UnfinishedFolder,
    check_new_file,
    place_result,
    place_results,
)
from spike_depth_ros.base.values import one_of
from spike_depth_ros.checkpoint import UPSAMPLE_MODEL
from spike_depth_ros.commands import run_library
from spike_depth_ros.io.arrays import WRITTEN_SUFFIXES, read_depth, write_depth
from spike_depth_ros.tasks.upsample import FACTORS
from spike_depth_ros.tools.arguments import Amount, Threads


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpsampleOptions:
    """Enlarge depth maps: .png of 16 bits, .npy or .pfm.

    0, -1, NaN, -Inf and, of 16 bits, 65535 are holes; +Inf stays. A .png file keeps its unit, the
    others are written as metres.

    For example: spike_upsample small.png --factor 4 --per-metre 1000 --out large.png
    """

    maps: Annotated[Path, POSITIONAL]
    """Depth map, or folder of depth maps."""
    factor: Annotated[int, one_of(*FACTORS)]
    """Factor of height and width."""
    out: Path
    """File of the same suffix, or folder, to write."""
    per_metre: Amount | None = None
    """Stored value of one metre. Default: 1, of floats alone."""
    checkpoint: Path = Path(UPSAMPLE_MODEL)
    """Network, with its .onnx file beside it, or the shipped one."""
    fill: bool = False
    """Fill holes from the pixels around them."""
    overwrite: bool = False
    """Replace existing files."""
    threads: Threads = 0
    """Threads of the CPU; 0: all cores."""


def run(options: UpsampleOptions) -> None:
    """Enlarge the maps, write all of them or none, and print their number.

    Args:
        options: The options.

    Raises:
        ValueError: A map, the network or an option cannot be used.
        OSError: A file cannot be read or written.
    """
    from spike_depth_ros.filters.upsampling import Upsampler

    maps, out = options.maps, options.out
    several = maps.is_dir()
    sources = _maps_of(maps) if several else [maps]
    targets = [out / path.name if several else out for path in sources]
    check_link(out)
    if not several and not out.parent.is_dir():
        raise OneLineError(f'--out {out}: no folder {out.parent}: make it first')
    _check(sources, targets, options.overwrite)
    upsampler = Upsampler.from_checkpoint(options.checkpoint, options.threads)
    folder = out if several else out.parent
    with (
        lock_folder(folder) if several else contextlib.nullcontext(),
        UnfinishedFolder(folder) as name,
    ):
        unfinished = Path(name)
        for source, target in zip(sources, targets, strict=True):
            depth = read_depth(source, options.per_metre)
            try:
                large = upsampler.upsample(depth, options.factor, options.fill)
            except ValueError as error:
                raise OneLineError(f'{source}: {error}') from None
            with naming(target):
                write_depth(unfinished / target.name, large, options.per_metre)
        if several:
            place_results(unfinished, out, options.overwrite)
        else:
            out = place_result(unfinished / out.name, out, options.overwrite)
    print(f'{out}: {len(targets)} map(s), {options.factor} times as wide and high')


def _maps_of(folder: Path) -> list[Path]:
    """Return the depth maps in a folder, in the order of their names."""
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in WRITTEN_SUFFIXES and not path.name.startswith('.')
    )
    if not found:
        known = ', '.join(WRITTEN_SUFFIXES)
        raise OneLineError(f'{folder}: no depth maps ({known}) in this folder')
    return found


def _check(sources: Sequence[Path], targets: Sequence[Path], overwrite: bool) -> None:
    """Refuse files that cannot be read, or written, by their names."""
    for source, target in zip(sources, targets, strict=True):
        check_utf8(str(source))
        if not source.is_file():
            raise OneLineError(f'{source}: no such file or folder')
        if source.suffix.lower() not in WRITTEN_SUFFIXES:
            known = ' or '.join(WRITTEN_SUFFIXES)
            raise OneLineError(f'{source}: expected a depth map, {known}')
        if target.suffix.lower() != source.suffix.lower():
            raise OneLineError(f'--out {target}: expected a {source.suffix} file, as {source}')
        if target.exists() and target.samefile(source):
            raise OneLineError(f'--out {target}: is the map to enlarge: choose another one')
        check_new_file(target, overwrite)


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``spike_upsample``; return the exit status."""
    options = cli.options(UpsampleOptions, 'spike_upsample', args)
    return run_library('spike_upsample', 'spike_depth_ros.tools.upsample', options)


if __name__ == '__main__':
    sys.exit(main())
