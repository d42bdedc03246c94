# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``spike_upsample``: enlarges depth maps in files."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from spike_depth_ros.arguments import DefaultsFormatter, positive, thread_count
from spike_depth_ros.checkpoint import FACTORS, UPSAMPLE_MODEL
from spike_depth_ros.commands import run_library
from spike_depth_ros.depth_files import SUFFIXES, DepthFileError, read_depth, write_depth
from spike_depth_ros.errors import check_link, check_utf8, naming
from spike_depth_ros.folder_lock import lock_folder
from spike_depth_ros.result_files import (
    UnfinishedFolder,
    check_new_file,
    place_result,
    place_results,
)


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of ``spike_upsample``'s command line."""
    parser = argparse.ArgumentParser(
        prog='spike_upsample',
        description='Enlarge depth maps: .png of 16 bits, .npy or .pfm. 0, -1, NaN, -Inf and, '
        'of 16 bits, 65535 are holes; +Inf stays. A .png file keeps its unit, the others are '
        'written as metres.',
        epilog='For example: spike_upsample small.png --factor 4 --per-metre 1000 --out large.png',
        formatter_class=DefaultsFormatter,
    )
    add = parser.add_argument
    add('maps', type=Path, metavar='FILE|FOLDER', help='depth map, or folder of depth maps')
    add('--factor', type=int, required=True, choices=FACTORS, help='of height and width')
    add('--per-metre', type=positive, metavar='N', help='stored value of one metre. Default: 1, '
        'of floats alone')  # fmt: skip
    add('--checkpoint', type=Path, default=UPSAMPLE_MODEL, help='network, with its .onnx file '
        'beside it, or the shipped one')  # fmt: skip
    add('--out', type=Path, required=True, help='file of the same suffix, or folder, to write')
    add('--fill', action='store_true', help='fill holes from the pixels around them')
    add('--overwrite', action='store_true', help='replace existing files')
    add(
        '--threads',
        type=thread_count,
        default=0,
        metavar='N',
        help='of the CPU. Default: all cores',
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Enlarge the maps, write all of them or none, and print their number.

    Args:
        options: From :func:`argument_parser`.

    Raises:
        ValueError: A map, the network or an option cannot be used.
        OSError: A file cannot be read or written.
    """
    from spike_depth_ros.upsampling import Upsampler

    maps, out = options.maps, options.out
    several = maps.is_dir()
    sources = _maps_of(maps) if several else [maps]
    targets = [out / path.name if several else out for path in sources]
    check_link(out)
    if not several and not out.parent.is_dir():
        raise DepthFileError(f'--out {out}: no folder {out.parent}: make it first')
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
                raise DepthFileError(f'{source}: {error}') from None
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
        if path.suffix.lower() in SUFFIXES and not path.name.startswith('.')
    )
    if not found:
        raise DepthFileError(f'{folder}: no depth maps ({", ".join(SUFFIXES)}) in this folder')
    return found


def _check(sources: Sequence[Path], targets: Sequence[Path], overwrite: bool) -> None:
    """Refuse files that cannot be read, or written, by their names."""
    for source, target in zip(sources, targets, strict=True):
        check_utf8(str(source))
        if not source.is_file():
            raise DepthFileError(f'{source}: no such file or folder')
        if source.suffix.lower() not in SUFFIXES:
            raise DepthFileError(f'{source}: expected a depth map, {" or ".join(SUFFIXES)}')
        if target.suffix.lower() != source.suffix.lower():
            raise DepthFileError(f'--out {target}: expected a {source.suffix} file, as {source}')
        if target.exists() and target.samefile(source):
            raise DepthFileError(f'--out {target}: is the map to enlarge: choose another one')
        check_new_file(target, overwrite)


def main(args: Sequence[str] | None = None) -> int:
    """Run the console script ``spike_upsample``; return the exit status."""
    options = argument_parser().parse_args(args)
    return run_library('spike_upsample', 'spike_depth_ros.upsample_command', options)


if __name__ == '__main__':
    sys.exit(main())
