# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Picture of the points of a generated room, whose small depth map is enlarged.

    PYTHONPATH=training python -m benchmarks.enlarged_points --out docs/images/enlarged.png

from the repository's root; needs torch. Above, a part of the map, with the bar of its colours;
below, its points seen from above, the camera at the bottom, brighter where more points lie above
each other: bilinear enlargement, the shipped network, and true depth.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from spike_depth_ros.filters.upsampling import Upsampler
from spike_depth_ros.pages.depth_colours import DepthColours, colour_depth
from spike_depth_ros.pages.pictures import BAR_WIDTH, depth_bar, save_png
from spike_training.evaluation.small_maps import grey_levels, metres, shrink
from spike_training.sampling.procedural import ProceduralSource
from spike_worlds.generator import STYLES

HEIGHT, WIDTH, FACTOR = 960, 1280, 8
SIDE, PART_ROWS, TITLE_ROWS = 430, 320, 28
"""Sizes of the picture's parts, pixels."""

Map = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]


def from_above(depth: Map, fx: float, far_m: float) -> Picture:
    """Draw the points of a depth map from above, out to a depth, ``[SIDE, SIDE]``."""
    rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0) & (depth < far_m))
    z = depth[rows, columns]
    x, y = ((one - size / 2) / fx * z for one, size in ((columns, WIDTH), (rows, HEIGHT)))
    beside = np.floor((x / far_m + 0.5) * SIDE).astype(int)
    ahead = np.floor((1 - z / far_m) * SIDE).astype(int)
    # Without ceiling and floor, which hide what is below them.
    drawn = (np.abs(y) < 0.9) & (beside >= 0) & (beside < SIDE) & (ahead >= 0)
    number = np.zeros((SIDE, SIDE))
    np.add.at(number, (ahead[drawn], beside[drawn]), 1)
    return (255 * np.clip(np.log1p(number) / np.log(60), 0, 1)).astype(np.uint8)


def draw(style: str, index: int) -> Picture:
    """Draw a test scene of a style, ``[rows, columns, 3]`` RGB."""
    source = ProceduralSource((style,), 0, HEIGHT, WIDTH, (32,), split='test', with_spikes=False)
    batch = source.batch(index, 1)
    levels, nearest = grey_levels(batch.depth)
    small = metres(shrink(levels, FACTOR, 'area'), nearest)[0, 0].nan_to_num(0.0).numpy()
    true = batch.depth[0, 0].numpy()
    far_m = 1.05 * float(np.percentile(true[np.isfinite(true)], 99))
    size = (WIDTH, HEIGHT)
    maps = {
        f'{small.shape[1]}x{small.shape[0]}, bilinear': cv2.resize(small, size),
        'upsample_lite': Upsampler.from_checkpoint().upsample(small, FACTOR),
        'true depth': true,
    }
    part = slice(300, 300 + PART_ROWS), slice(480, 480 + SIDE)
    limits = DepthColours().limits(true[part])
    columns = []
    for title, depth in maps.items():
        head = np.zeros((TITLE_ROWS, SIDE, 3), np.uint8)
        white = (255, 255, 255)
        cv2.putText(head, title, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, white, 1, cv2.LINE_AA)
        points = from_above(depth, float(batch.fx[0]), far_m)
        columns.append(
            np.vstack([
                head,
                colour_depth(depth[part], *limits),
                cv2.cvtColor(points, cv2.COLOR_GRAY2BGR),
            ])
        )  # fmt: skip
    bar = np.zeros((len(columns[0]), BAR_WIDTH, 3), np.uint8)
    bar[TITLE_ROWS : TITLE_ROWS + PART_ROWS] = depth_bar(PART_ROWS, *limits)
    return np.hstack([*columns, bar])


def main(args: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='python -m benchmarks.enlarged_points')
    parser.add_argument('--style', default='indoor', choices=STYLES, help='default: indoor')
    parser.add_argument('--scene', type=int, default=2, help='number of the scene; default: 2')
    parser.add_argument('--out', type=Path, required=True, help='PNG to write')
    options = parser.parse_args(args)
    if options.out.suffix != '.png':
        parser.error(f'--out {options.out}: expected a .png file')
    torch.set_num_threads(1)
    save_png(draw(options.style, options.scene), options.out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
