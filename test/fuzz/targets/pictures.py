# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of frames: names with times, and headers of pictures."""

import io
from pathlib import Path
from random import Random
from typing import Any

import mutations
import numpy as np
from judging import ContractError, Target
from PIL import Image

from spike_depth_ros.io.orientation import exif_orientation
from spike_training.datasets import readers
from spike_training.errors import DataSetError

SIZE = (6, 9)
FORMS = (
    '{s}.{us:06d}', '{s}_{us:06d}', '{s}-{ns:09d}', '{s}.{us}', '{s}{ms:03d}', '{s}{us:06d}',
    '{s}{ns:09d}', '{s}', '{k:04d}', '{k:010d}', 'frame_{k:06d}_{s}.{us:06d}', '{t}', '{t:.6f}',
    '{t:.1f}', '1.{k:04d}', '20230501_{k:06d}', '2023-05-01_12-{m:02d}-{x:02d}.{us:06d}',
    'IMG_20230501_12{m:02d}{x:02d}{ms:03d}', '2023-05-01_12-{m:02d}-{x:02d}_{k:03d}',
    '20230501T12{m:02d}{x:02d}', 'cam{k}.{s}.{ms:03d}', '{s}_{k}', '{b}', '{x}-{ms:03d}',
)  # fmt: skip
PARTS = ('', '.', '_', '-', '0', '9' * 9, '1' * 19, '1305031102', '2023-02-31', 'T', '²', '٣', ' ')
OPTIONS = ('', '', '', ',times=s', ',times=ms', ',times=ns', ',times=date', ',times=frames',
           ',frame_hz=0', ',frame_hz=25', ',times=')  # fmt: skip
SUFFIXES = ('png', 'jpeg', 'bmp', 'ppm')


def _picture(random: Random, mode: str = 'RGB', size: tuple[int, int] = SIZE) -> Image.Image:
    bands = np.frombuffer(random.randbytes(size[0] * size[1] * 3), np.uint8)
    return Image.fromarray(bands.reshape(*size, 3)).convert(mode)


def make_names(random: Random) -> dict[str, Any]:
    """Names of one form, some of them changed, and options."""
    form, start = random.choice(FORMS), random.choice((0, 12, 1305031102, 1682944259))
    step = random.choice((1e-5, 0.001, 1 / 30, 0.1, 1.0, 30.0))
    names = []
    for k in range(random.choice((2, 3, 8))):
        t = start + (k + (random.random() < 0.1) * 9) * step
        whole, part = int(t), t % 1
        names.append(
            form.format(
                s=whole, ms=int(part * 1e3), us=int(part * 1e6), ns=int(part * 1e9), t=t, k=k,
                m=whole // 60 % 60, x=whole % 60, b=123456789 + int(k * step * 1e6),
            )
        )  # fmt: skip
    if random.random() < 0.5:
        at = random.randrange(len(names))
        place = random.randrange(len(names[at]) + 1)
        names[at] = names[at][:place] + random.choice(PARTS) + names[at][place + 1 :]
    names = [name.replace('/', '')[:200] for name in names]
    return {'names': names, 'options': random.choice(OPTIONS)}


def use_names(case: dict[str, Any], folder: Path) -> None:
    """Read the folder; its times are finite and increase."""
    images = folder / 'walk/images'
    images.mkdir(parents=True)
    content = io.BytesIO()
    _picture(Random(0)).save(content, 'PPM')
    for name in case['names']:
        (images / f'a{name}.ppm' if name.startswith('.') else images / f'{name}.ppm').write_bytes(
            content.getvalue()
        )
    where = f'{folder / "walk"},depth=none,fx=30{case["options"]}'
    for clip in readers.read('folder', where):
        if not np.isfinite(clip.times_s).all() or (np.diff(clip.times_s) <= 0).any():
            raise ContractError(f'times {clip.times_s.tolist()}')


def make_headers(random: Random) -> dict[str, Any]:
    """Two pictures with an EXIF orientation, and their depth; bytes of them are changed."""
    suffix, orientation = random.choice(SUFFIXES), random.choice((*range(10), 65535, -1))
    size = random.choice((SIZE, SIZE, SIZE[::-1], (6, 6)))
    files: dict[str, Any] = {}
    for number in range(2):
        image = _picture(random, random.choice(('RGB', 'RGB', 'L', 'P')), size)
        exif = image.getexif()
        if orientation >= 0:
            exif[0x0112] = orientation
        content = io.BytesIO()
        kept = 'png' if image.mode == 'P' else suffix
        # Pillow writes no EXIF in the others.
        marked = {'exif': exif} if kept in ('png', 'jpeg') else {}
        image.save(content, kept, **marked)
        data = content.getvalue()
        if random.random() < 0.4:
            head = random.choice((40, 120, len(data)))
            data = mutations.corrupt(random, data[:head]) + data[head:]
        files[f'images/{number}.{kept}'] = data
        shape = random.choice((size, size[::-1]))
        np.save(content := io.BytesIO(), np.full(shape, 2.5, np.float32))
        files[f'depth/{number}.npy'] = content.getvalue()
    return {'files': files, 'options': random.choice((',fx=30', ',fx=30', ''))}


def use_headers(case: dict[str, Any], folder: Path) -> None:
    """Read pictures and depth; both are of one size, in which the camera lies."""
    root = folder / 'walk'
    for name, data in case['files'].items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / 'K.txt').write_text('30 0 4 0 31 2.5 0 0 1')
    for clip in readers.read('folder', f'{root}{case["options"]}'):
        for index in range(len(clip)):
            image, depth = clip.image(index), clip.depth(index)
            if index == len(clip) // 2 and depth is not None and depth.shape != image.shape[:2]:
                raise ContractError(f'image {image.shape}, depth {depth.shape}')
    with Image.open(next((root / 'images').iterdir())) as image:
        if exif_orientation(image) not in range(1, 9):
            raise ContractError('no orientation')


NAMES = Target(make_names, use_names, (DataSetError,))
HEADERS = Target(make_headers, use_headers, (DataSetError,))
