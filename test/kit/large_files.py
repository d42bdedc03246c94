# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small files whose headers declare far more than is in memory."""

import os
import struct
import sys
import zlib

import numpy as np

from kit.programs import ROOT, run_program

SIDE = 12_000
"""Rows and columns that they declare."""


def png(bits=8, colour=0):
    """A .png file whose pixels are cut off; one that is decoded names that."""

    def chunk(kind, content):
        length, check = (
            struct.pack('>I', len(content)),
            struct.pack('>I', zlib.crc32(kind + content)),
        )
        return length + kind + content + check

    head = struct.pack('>IIBBBBB', SIDE, SIDE, bits, colour, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(bytes(99)))


def jpeg():
    """The header of a baseline .jpg of three components."""
    parts = b''.join(bytes((n, 0x11, 0)) for n in (1, 2, 3))
    frame = struct.pack('>BHHB', 8, SIDE, SIDE, 3) + parts
    scan = b'\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00'
    marked = ((0xC0, frame), (0xDA, scan))
    found = b'\xff\xd8'
    for kind, content in marked:
        found += struct.pack('>BBH', 0xFF, kind, len(content) + 2) + content
    return found


def bmp():
    """The headers of a .bmp file of 24 bits."""
    info = struct.pack('<IiiHHIIiiII', 40, SIDE, SIDE, 1, 24, 0, 0, 0, 0, 0, 0)
    return struct.pack('<2sIHHI', b'BM', 54, 0, 0, 54) + info


def npy(kind='<f4'):
    """The header of an array; make the file as long as it says."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({SIDE}, {SIDE}), }}"
    text = text.ljust(117) + '\n'
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text.encode()


def exr(window=(0, 0, SIDE - 1, SIDE - 1), tiles=None):
    """The header of an OpenEXR file of one channel (openexr.com, "OpenEXR file layout")."""

    def attribute(name, kind, content):
        return name + b'\0' + kind + b'\0' + struct.pack('<i', len(content)) + content

    box = struct.pack('<4i', *window)
    parts = [
        attribute(b'channels', b'chlist', b'Y\0' + struct.pack('<iIii', 2, 0, 1, 1) + b'\0'),
        attribute(b'compression', b'compression', b'\3'),
        attribute(b'dataWindow', b'box2i', box),
        attribute(b'displayWindow', b'box2i', box),
        attribute(b'lineOrder', b'lineOrder', b'\0'),
        attribute(b'pixelAspectRatio', b'float', struct.pack('<f', 1.0)),
        attribute(b'screenWindowCenter', b'v2f', struct.pack('<2f', 0.0, 0.0)),
        attribute(b'screenWindowWidth', b'float', struct.pack('<f', 1.0)),
    ]
    if tiles is not None:
        parts.append(attribute(b'tiles', b'tiledesc', struct.pack('<IIB', *tiles, 0)))
    version = 2 if tiles is None else 0x202
    return b'\x76\x2f\x31\x01' + struct.pack('<I', version) + b''.join(parts) + b'\0'


DEPTHS = {
    'd.png': png(16),
    'd.pgm': b'P5 %d %d 65535\n' % (SIDE, SIDE),
    'd.pfm': b'Pf\n%d %d\n-1.0\n' % (SIDE, SIDE),
    'd.npy': npy(),
    'd.exr': exr(),
}
"""Depth maps by their names."""

PICTURES = {
    'p.png': png(8, 2),
    'p.jpg': jpeg(),
    'p.bmp': bmp(),
    'p.ppm': b'P6 %d %d 255\n' % (SIDE, SIDE),
}
"""Pictures by their names."""


def write(path, content):
    """Write a file of 576 MB that takes no room: behind its header it has a hole."""
    with path.open('wb') as file:
        file.write(content)
        if path.suffix != '.png':
            file.truncate(SIDE * SIDE * 4 + len(content))
    return path


def long_npy(folder):
    """Write 2 million planes as an array: 200 GB of a hole, and 25 GB once they are packed."""
    header = {'descr': '|b1', 'fortran_order': False, 'shape': (2_000_000, 250, 400)}
    with (folder / 'long.npy').open('wb') as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 200_000_000_000)
    return folder / 'long.npy'


def run_limited(command, kilobytes=8_000_000):
    """Run a command of Python with so much memory."""
    limited = f'ulimit -v {kilobytes}; exec {sys.executable} {command}'
    path = {'PYTHONPATH': f'{ROOT}:{ROOT / "training"}'}
    return run_program('bash', '-c', limited, cwd=ROOT, env={**os.environ, **path})
