# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What readers say to bad data sets and options: of each a sound one, changed in one way."""

import functools
import importlib
import json
import os
import shutil
import typing

import h5py
import numpy as np
import pytest
from PIL import Image

from kit import bags, cameras, readable, streams
from kit.clips import walk, write_poses
from kit.pictures import HEIGHT, METRES, WIDTH, depth_png, picture, texts, write_pfm
from kit.readable import COLUMNS, DRIVE, MAP, OTHER_DRIVE, PERIOD, ROWS, SEQUENCE
from spike_depth_ros.geometry.rig import StereoRig
from spike_training.datasets import readers
from spike_training.errors import DataSetError


class Use:
    """What is done with the clips of a set, which the reader took, and is refused.

    Args:
        get: Function of the first clip.
        change: Changes the set when it was read.
    """

    def __init__(self, get, change=lambda root: None):
        self.get, self.change = get, change


def step(write):
    """Give a function of a set and more what is more first: the set is that of a row."""
    return lambda *given, **named: lambda root: write(root, *given, **named)


@step
def gone(root, *names):
    """Remove what bears a name, or matches a pattern, below a set."""
    found = {path for name in names for path in root.glob(name)}
    assert found
    for path in found:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@step
def put(root, name, content):
    """Write a file in place of another one: a text, bytes, an array or a picture."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == '.npy':
        np.save(path, content)
    else:
        Image.fromarray(content).save(path)


@step
def new(root, name, old, other):
    """Replace a part of a text."""
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, other))


@step
def all_of(root, pattern, write):
    """Call a function with each file that matches."""
    for path in sorted(root.glob(pattern)):
        write(path)


@step
def made(root, write):
    """Make another set of the reader, in place of the sound one."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    write(root)


# Of a folder of pictures.


@step
def pipe(root, name):
    (root / name).unlink()
    os.mkfifo(root / name)


@step
def turned(root, orientation, size=(HEIGHT, WIDTH), matrix=readable.K):
    """Pictures that viewers turn."""
    for k in range(4):
        image = Image.fromarray(np.zeros((*size, 3), np.uint8))
        image.getexif()[0x0112] = orientation
        image.save(root / f'images/{k:05d}.png', exif=image.getexif())
        depth_png(root / f'depth/{k:05d}.png', 1000, np.full(size, 4.0))
    texts(root / 'K.txt', *matrix)


@step
def stored(root, kind, value, far=0):
    """Maps of one value, or floats of which some rows are 5000."""
    gone('depth')(root)
    values = np.full((HEIGHT, WIDTH), value, kind)
    values[:far] = 5000
    for k in range(4):
        suffix = '.npy' if values.dtype.kind == 'f' else '.png'
        put(f'depth/{k:05d}{suffix}', values)(root)


def image_2(clip):
    return clip.image(2)


@step
def posed(root, change=lambda poses: poses, of=slice(None)):
    """Poses of four images, changed."""
    poses = walk(4)
    change(poses)
    write_poses(root, poses[of])


def halved(poses):
    poses[2, :3, :3] /= 2


def mirrored(poses):
    poses[2, :, 0] *= -1


def transposed(poses):
    poses[2] = poses[2].T.copy()


TWICE = put('K.txt', '60 0 39.5\n0 62 23.5\n0 0 1\n')  # of twice the size
FOLDER = {
    'depth along rays': ('depth_along', TWICE, ',depth_along=rays'),
    'depth along the ray of none': ('depth_along', TWICE, ',depth_along=ray,depth=none'),
    'matrix of another size': ('K.txt: K has its principal point', TWICE, ',depth_along=axis'),
    'matrix of another size alone': ('K has its principal point', TWICE, ',depth=none'),
    'matrix of shares': ('0.8 and 0.9', put('K.txt', '0.8 0 0.5 0 0.9 0.5 0 0 1')),
    'matrix with nan': ('K.txt', put('K.txt', '30 0 nan 0 31 11 0 0 1')),
    'matrix of two rows': ('K.txt', put('K.txt', '30 0 19 0 31 11')),
    'matrix transposed': ('K.txt', put('K.txt', '30 0 0 0 31 0 19.5 11.5 1')),
    'no matrix': ('K.txt', gone('K.txt')),
    'no depth': ('depth/*.png', gone('depth/*')),
    'one picture is a pipe': ('00002.png', Use(image_2, pipe('images/00002.png'))),
    'one map is a pipe': ('00002.png', Use(lambda clip: clip.depth(2), pipe('depth/00002.png'))),
    'metres of another unit': ('depth', ',per_metre=1'),
    'an endless rate': ('frame_hz', ',frame_hz=inf'),
    'depth of another size': (
        '40 x 12', all_of('depth/*.png', lambda path: depth_png(path, 1000, METRES[:12])),
    ),
    'one map in two formats': ('00000.npy and 00000.png', put('depth/00000.npy', METRES)),
    'millimetres as floats': ('per_metre', stored('f4', 4000)),
    'metres as integers': ('per_metre', stored('u2', 4)),
    'an eighth is far': ('per_metre', stored('f4', 4, HEIGHT // 8)),
    'half a turn': ('orientation 3', turned(3)),
    'a mirror': ('orientation 2', turned(2), ',fx=30'),
    'a quarter turn of squares': ('orientation 6', turned(6, (24, 24)), ',fx=30'),
    'half a turn, no depth': ('orientation 3', turned(3), ',depth=none'),
    'a quarter turn of squares, no depth': ('orientation 6', turned(6, (24, 24)), ',depth=none'),
    'principal point between both': (
        'orientation 6', turned(6, matrix=('30 0 15.5', '0 30 15.5', '0 0 1')),
    ),
    'poses of three images': ('poses.txt: 3 rows', posed(of=slice(3))),
    'poses of three numbers a row': ('row 1: 3 numbers', put('poses.txt', '1 2 3\n' * 4)),
    'poses in words': ("'x'", put('poses.txt', ('x ' * 16 + '\n') * 4)),
    'a pose with nan': ('row 3', posed(lambda poses: poses[2].fill(np.nan))),
    'a pose of half the size': ('row 3', posed(halved)),
    'a mirrored pose': ('row 3', posed(mirrored)),
    'a pose transposed': ('row 3', posed(transposed)),
    'poses in a pipe': ('poses.txt', posed(), pipe('poses.txt')),
    'poses of pictures that are turned': (
        'rename poses.txt', turned(6, matrix=('30 0 19.5', '0 30 11.5', '0 0 1')), posed(),
    ),
    'one picture turned otherwise': (
        '00002.png', turned(6, matrix=('30 0 19.5', '0 30 11.5', '0 0 1')),
        Use(image_2, turned(8)),
    ),
}  # fmt: skip

# By the names of pictures; those that could be two things name the option.
TIMES = (0, 33, 67, 100, 400, 433, 467, 500)  # milliseconds
EITHER = {
    'a counter behind a dot': [f'1.{k:04d}' for k in range(1, 20)],
    'a counter behind a time': [f'1305031102_{k:04d}' for k in range(1, 20)],
    'a counter behind a date': [f'20230501_{k:06d}' for k in range(1, 20)],
    'a counter behind a time of day': [f'IMG_20230501_123005_{k:03d}' for k in range(1, 20)],
    'digits behind the dot differ': ['1.8', '1.9', '1.10', '1.11'],
    'fractions of other lengths': [f'1305031102_{time * 1_000_000}' for time in TIMES],
    'a clock of an unknown unit': [f'{123456789012 + time * 1000}' for time in TIMES],
    'every tenth': [f'{k:010d}' for k in range(0, 100, 10)],
    'frames of days': [f'{k}' for k in range(1305031102, 1305931102, 90_000)],
}
NAMES = {
    'one time twice': ('one time', ['1305031102.1', '1305031102.10'], ',times=s'),
    'numbers of two units': ('different units', ['1305031102.1', '1305031102133']),
    'names of two forms': ('b-1305031102.2', ['a_1305031102.1', 'b-1305031102.2']),
    'times go back': ("'1_1305031102.2' to", ['1_1305031102.2', '2_1305031102.1']),
    'a time of day goes back': ("'12-30-59.900' to", ['12-30-59.900', '12-31-00.100']),
    'several times': (
        'several', ['1305031102.1_1403636579.1', '1305031102.2_1403636579.3'],
    ),
    'names without the time given': ("'left'", ['left', 'right'], ',times=ns'),
    'a unit that is none': ("'minutes'", ['1', '2'], ',times=minutes'),
    'another rate than that of the names': (
        'frame_hz', [f'{1403636579763555584 + t * 1_000_000}' for t in TIMES], ',frame_hz=10',
    ),
} | {name: ('times=s, ', names) for name, names in EITHER.items()}  # fmt: skip


@step
def named(root, names):
    gone('images')(root)
    for name in names:
        picture(root / f'images/{name}.png')


for _name, (_told, _names, *_option) in NAMES.items():
    FOLDER[_name] = (_told, named(_names), ',fx=33,depth=none' + ''.join(_option))
FOLDER['depth of other times'] = ('reader tum', named([f'{k}.25' for k in range(4)]), ',fx=33')


# Of other sets of pictures.


def stamps_of_nanoseconds(root):
    for kind in ('rgb', 'depth'):
        stamps = [1403636579763555584 + time * 1_000_000 for time in TIMES]
        texts(root / f'{kind}.txt', *(f'{stamp} {kind}/{stamp}.png' for stamp in stamps))


TUM = {
    'an unknown option': ('per_meter', ',per_meter=5'),
    'words as a focal length': ("'wide'", ',fx=wide'),
    'lists of two recordings': ('one recording', put('depth.txt', '99.0 depth/10.010000.png\n')),
    'a line that is none': ('depth.txt, line 1', put('depth.txt', 'nonsense\n')),
    'stamps in nanoseconds': ('expected seconds', stamps_of_nanoseconds),
}
CALIBRATION = '2011_09_26/calib_cam_to_cam.txt'
SPLIT, PAIRS = ',split={root}/eigen.txt', ',right=image_03'
ELSEWHERE = put('eigen.txt', '2011_09_28/2011_09_28_drive_0001_sync 5 l\n')
ONE = made(readable.one_kitti)


def right_pictures(*numbers):
    return [f'2011_09_26/{OTHER_DRIVE}/image_03/data/{k:010d}.png' for k in numbers]


def wide_right(root):
    for k in range(4):
        picture(root / f'2011_09_26/{DRIVE}/image_03/data/{k:010d}.png', size=(HEIGHT, WIDTH + 2))


def annotated_right(root):
    where = f'train/{DRIVE}/proj_depth/groundtruth/image_'
    shutil.copytree(root / f'{where}02', root / f'{where}03')


KITTI = {
    'a split of no images': ('eigen.txt, line 2', put('eigen.txt', '\nkitchen/1.png\n'), SPLIT),
    'a split of other drives': ('eigen.txt', ELSEWHERE, SPLIT),
    'a split of other drives, pairs': ('eigen.txt', ELSEWHERE, SPLIT + PAIRS),
    'no calibration': ('calib_cam_to_cam.txt', gone(CALIBRATION)),
    'no annotated depth': ('groundtruth/image_02', gone('train')),
    'no line of the camera': ('"P_rect_02:"', ONE, put('calib.txt', 'P_rect_00: 1 2 3')),
    'a camera with nan': ('calib.txt', ONE, new('calib.txt', '50', 'nan')),
    'a camera of shares': ('P_rect_02', ONE, new('calib.txt', 'P_rect_02: 50', 'P_rect_02: 0.5')),
    'a camera transposed': ('P_rect_02', ONE, new('calib.txt', '0 0 1 0', '19.5 11.5 1 0')),
    'eyes exchanged': ('-0.5 m', annotated_right, ',camera=image_03,right=image_02'),
    'one eye twice': ('0 m', ',right=image_02'),
    'no line of the right camera': ('"P_rect_03:"', new(CALIBRATION, '_03', '_04'), PAIRS),
    'eyes of other rows': (DRIVE, new(CALIBRATION, '-21 0 51 11.5', '-21 0 51 12.5'), PAIRS),
    'eyes of other sizes': ('right ones of 42x24', wide_right, PAIRS),
    'half the right pictures': ('2 of 4 frames', gone(*right_pictures(1, 2)), PAIRS),
    'no right pictures': ('image_03/data', gone(f'2011_09_26/{OTHER_DRIVE}/image_03'), PAIRS),
    'one right picture is missing': (
        f'kitti/{OTHER_DRIVE}, frame 2', PAIRS,
        made(lambda root: readable.kitti(root, (OTHER_DRIVE,))),
        gone(*right_pictures(2)), Use(lambda clip: clip.right.image(2)),
    ),
}  # fmt: skip


def version_1(root):
    picture(root / 'vkitti_1.3.1_rgb/0001/clone/00000.png')


@step
def driving_at(root, stamp):
    folders = (root / f'foggy/{one}-half-size' for one in ('left-image', 'depth-map'))
    readable.driving_frame(*folders, stamp)


def pgm_far(root):
    for path in sorted((root / 'kitchen_0001a').glob('d-*')):
        path.rename(path.with_name(path.name.replace('d-12', 'd-99')))


NYU = 'nyu_depth_v2_labeled.mat'


@step
def images_of(root, shape, chunks=None, maximal=None):
    """Other images in the file of NYU Depth."""
    with h5py.File(root / NYU, 'r+') as file:
        del file['images']
        file.create_dataset('images', shape, np.uint8, chunks=chunks, maxshape=maximal)


@step
def city_files(root, content, where):
    """Replace, or remove, a file of both pairs in Bonn."""
    for number in range(2):
        name = where.format(f'bonn_000000_00000{number}')
        (gone(name) if content is None else put(name, content))(root)


@step
def city_baseline(root, metres):
    readable.city_pair(root, 'val/bonn', 1, baseline=metres)


CITY_RIGHT = 'rightImg8bit/val/bonn/{}_rightImg8bit.png'
CITY_CAMERA = 'camera/val/bonn/{}_camera.json'
VIEW = 'room_00000/view_00'


@step
def view_of(root, **fields):
    """One room with one view, a field of it changed."""
    path = root / VIEW / 'view.json'
    for name in sorted(root.glob('room_*/view_*')):
        if name != path.parent:
            shutil.rmtree(name)
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def damaged_views(root):
    for number, name in enumerate(('frame_1.jpg', 'view.json', 'depth.png'), 1):
        put(f'room_00002/view_0{number}/{name}', b'{')(root)


PICTURES = {
    'folder': FOLDER,
    'tum': TUM,
    'kitti': KITTI,
    'sevenscenes': {'no depth': ('000000.depth.png', gone('**/*.depth.png'))},
    'vkitti': {
        'no such variation': ("'snow'", ',variation=snow'),
        'no depth': ('depthgt/0001/clone', made(version_1)),
    },
    'drivingstereo': {
        'stamp of a month that is none': ('2018-13', driving_at('2018-13-25-07-38-00-250')),
        'stamp without milliseconds': ('07-38-00', driving_at('2018-10-25-07-38-00')),
        'stamp of words': ("'noon'", driving_at('noon')),
        'no calibration': (f'{SEQUENCE}.txt', gone('calib'), ',weather=foggy'),
        'no such size': ("'large'", ',size=large'),
    },
    'nyuv2': {
        'another file': (NYU, put(NYU, b'MATLAB 5.0')),
        'images of other axes': (NYU, images_of((3, HEIGHT, WIDTH, 3))),
        'large pictures': (NYU, images_of((1, 3, 60_000, 60_000), (1, 1, 100, 100))),
        'large parts': (
            NYU, images_of((9000, 3, WIDTH, HEIGHT), (9000, 3, 100, 100), (None,) * 4),
        ),
        'many pictures': (NYU, images_of((10**9, 3, 4, 4), (1, 3, 4, 4))),
    },
    'nyuv2_raw': {'depth of another time': ('2 of them', pgm_far)},
    'cityscapes': {
        'no such part': ('leftImg8bit/night', ',part=night'),
        'no baseline': ('bonn/1', city_baseline(0.0)),
        'eyes exchanged': ('bonn/1', city_baseline(-0.2)),
        'no right pictures': ('2 of 5', city_files(None, CITY_RIGHT)),
        'no calibrations': ('2 of 5', city_files(None, CITY_CAMERA)),
        'calibrations of another form': ('2 of 5', city_files('{"intrinsic": 3}', CITY_CAMERA)),
        'calibrations nested deeply': ('2 of 5', city_files('[' * 5000, CITY_CAMERA)),
        'eyes of other sizes': (
            '40x23', city_files(np.zeros((HEIGHT - 1, WIDTH, 3), np.uint8), CITY_RIGHT),
        ),
    },
    'rendered': {
        'fewer views': ('20 views', ',views=21'),
        'three damaged views': ('3 of 20', damaged_views),
        'no camera': ('camera of view.json', view_of(camera=[[0, 0, 1], [0, 1, 0], [0, 0, 1]])),
        'times go back': ('times_s of view.json', view_of(times_s=[0.01, 0.0])),
        'a rate above one': ('mean_rate', view_of(mean_rate=1.5)),
        'sizes that are none': ('view.json', view_of(bytes=[1])),
        'an empty manifest': ('rooms.json', put('rooms.json', '')),
        'a list as manifest': ('rooms.json', put('rooms.json', '[]')),
        'a manifest without version': ('rooms.json', put('rooms.json', '{"format": 1}')),
        'a newer version': ('rooms.json', new('rooms.json', '"version": ', '"version": 9')),
        'no manifest': ('rooms.json', gone('rooms.json')),
    },
}  # fmt: skip

for _name in ('folder', 'drivingstereo', 'tum', 'sevenscenes'):
    PICTURES[_name]['a focal length in widths'] = ('fx', ',fx=0.8')


def rows_of(tmp_path, sets):
    """Rows of readers: what must be named, then changes, what is read below, options, uses."""
    rows = {}

    def call(name, parts, place):
        root, below, use = tmp_path / place / 'set', '', None
        options = readable.OPTIONS.get(name, '')
        root.parent.mkdir()
        readable.SOUND[name](root)
        for part in parts:
            if isinstance(part, str) and part[0] == '/':
                below = part
            elif isinstance(part, str):
                options += part.format(root=root)
            elif isinstance(part, Use):
                use = part
            else:
                part(root)

        def used(clips):
            use.change(root)
            use.get(clips[0])

        return readable.refusal(name, root, below + options, used if use else None)

    for name, table in sets.items():
        for row, (told, *parts) in table.items():
            place = str(len(rows))
            rows[f'{name}, {row}'] = told, functools.partial(call, name, parts, place)
    return rows


LIBRARIES = {
    r'(calibration cannot be read: ).*(: 2, for instance)': r'\1<library>\2',
    r'(with images, rawDepths and scenes: Unable).*': r'\1 <library>',
    r'(in another format \()[^)]*(\))': r'\1<library>\2',
    r'(cannot be read: )Cannot open.*(: write the planes)': r'\1<library>\2',
}
"""Texts of the json, h5py, numpy and sqlite installed."""


def test_bad_sets_of_pictures_are_refused(tmp_path, refusals):
    refusals('sets_of_pictures', rows_of(tmp_path, PICTURES), None, LIBRARIES)


# Of spikes.

IN_MM = readable.RESPIKE_METRES * 1000
B_NPY = 'indoor/spike/train/desk/left/b.npy'


def load(clip):
    return clip.load(0, 10)


def depth_of(number):
    return lambda clip: clip.depths[number]()


RESPIKE = {
    'no depth': ('desk/a.pfm', gone('**/*.pfm')),
    'another sensor': ('b.npy', put(B_NPY, np.zeros((3, 240, 320), np.uint8))),
    'millimetres': ('a.pfm', all_of('**/*.pfm', lambda path: write_pfm(path, IN_MM))),
    'a .dat file that is cut short later': (
        'a.dat', Use(load, put('indoor/spike/train/desk/left/a.dat', b'short')),
    ),
    'a .npy file that is cut short later': (
        'b.npy', gone('**/a.*'), Use(load, put(B_NPY, b'short')),
    ),
}  # fmt: skip


@step
def scene_of(root, write, planes=160, height=90, width=122, head=b''):
    """A recording as another writer has it."""
    gone('*')(root)
    (root / 'a.dat').write_bytes(head + write(streams.scene(planes, height, width)))


@step
def again(root, maps):
    """Write the two maps of a recording anew."""
    gone('depth/*')(root)
    for plane, one in zip((30, 90), maps, strict=True):
        put(f'depth/car_000{plane}{".png" if one.dtype.kind == "u" else ".npy"}', one)(root)


FAR = np.where(np.indices(MAP.shape)[0] < 3, 5000, 4).astype(np.float32)
"""A part of it is far, which a median does not see."""
UNITS = {
    'millimetres as floats': np.full_like(MAP, 4000),
    'metres as integers': np.full(MAP.shape, 4, np.uint16),
    'a part is far': FAR,
}
LATER = [np.full_like(MAP, 4), np.full_like(MAP, 4000)]
OF_122 = ',size=122x90'
DAT = {
    'matrix of another size': ('option fx', put('K.txt', '140 0 39 0 142 19 0 0 1')),
    'another kind of file': ('K.txt', '/K.txt'),
    'another size': ('car.dat', ',size=400x250'),
    'a map of another size': (
        'car_00030.npy', Use(depth_of(0), put('depth/car_00030.npy', MAP[:5])),
    ),
    'maps of no plane': ('2 of 4', *(put(f'depth/car_00{k}00.npy', MAP) for k in (2, 3))),
    'one map in two formats': (
        'car_00030.npy and car_00030.png', put('depth/car_00030.png', MAP.astype('u2')),
    ),
    'another unit later': ('car_00090.npy', again(LATER), Use(depth_of(1))),
    'no packing': ('packing', ',packing=none'),
    'no axes': ('axes', ',axes=wht'),
    'columns below 0': ('skip_columns', ',skip_columns=-1'),
    'padding behind skipped columns': ('row_bytes', ',skip_columns=16,row_bytes=60'),
    'packed as a whole': ('packing=whole', scene_of(streams.whole), OF_122),
    'columns before rows': ('skip_columns=16', scene_of(streams.with_head), OF_122),
    'axes of another order': ('axes=hwt', scene_of(streams.pixel_by_pixel), OF_122),
    'a head': (
        '+101 ', scene_of(streams.by_rows, 120, 260, 346, bytes(100)), ',size=346x260',
    ),
} | {f'size of {one}': ('size', f',size={one}') for one in
     ('0x16', '40x0', '40', '40xx', '4\u00b2x3', '-4x3', 'big')} | {
    name: ('per_metre', again([one, one])) for name, one in UNITS.items()
}  # fmt: skip


PLANES_32 = readable.spikes(32)


@step
def windows(root, name='a.npz', **changes):
    """One window with other arrays, alone or beside others."""
    if name == 'a.npz':
        gone('*')(root)
    readable.window(root / name, PLANES_32, **changes)


FIRST = 'room/seq-01/000000.npz'
NO_DEPTH = {'depth': MAP[None][:0], 'depth_planes': np.zeros(0, int)}
LOWER = np.array([[30.0, 0, 7.5], [0, 30, 2.5], [0, 0, 1]])


def stacked(one, *others):
    return windows(depth=np.stack([one, *others]), depth_planes=np.arange(1 + len(others)))


def other_axes(root):
    np.save(root / 'a.npy', streams.scene(160, 90, 120).transpose(1, 2, 0))


NPZ = {
    'two of three are damaged': (
        '2 of 3', *(put(f'room/seq-01/00000{k}.npz', b'PK no archive') for k in (1, 2)),
    ),
    'one alone is damaged': ('000000.npz', gone('room/seq-01/*[12].npz'), put(FIRST, b'PK')),
    'an empty folder': ('000000.npz', made(lambda root: None)),
    'a rate of 0': ('rate_hz', ',rate_hz=0'),
    'another kind of file': ('notes.txt', put('notes.txt', 'x'), '/notes.txt'),
    'millimetres': ('a.npz', windows(depth=MAP[None] * 1000)),
    'gone later': (FIRST, Use(load, gone(FIRST))),
    'depth gone later': (FIRST, Use(depth_of(0), gone(FIRST))),
    'without depth later': (
        FIRST, Use(depth_of(0), windows(FIRST, **NO_DEPTH)),
    ),
    'axes of another order': ('axes=hwt', made(other_axes)),
    'no axes': ('axes', ',axes=x'),
    'eyes of other rows': (
        'a.npz', made(lambda root: readable.archive(root / 'a.npz', K_right=LOWER)),
    ),
    'another unit later': ('a.npz', stacked(*LATER), Use(depth_of(1))),
} | {
    f'{name}, in an archive': ('per_metre', stacked(one, one)) for name, one in UNITS.items()
}  # fmt: skip


@step
def bag(root, *messages, **options):
    """Another bag, of 40 planes, or of messages."""
    shutil.rmtree(root)
    if messages:
        bags.write(root, sorted(messages, key=lambda one: one[1]), 'sqlite3')
    else:
        readable.record(root, readable.spikes(40), **options)


@step
def two_in_one_topic(root, shift_ns, frames=('camera', 'camera')):
    """Two cameras in one topic, the second one later by a shift."""
    messages = [readable.small_camera()]
    for late, frame in zip((0, shift_ns), frames, strict=True):
        for topic, at, message in readable.packets(readable.spikes(600), late_ns=late):
            message.header.frame_id = frame
            messages.append((topic, at, message))
    bag(*messages)(root)


def clock_set_back(root):
    """Planes of both runs have one stamp."""
    block, step_ns = bags.moving_bars(40), 100_000_000
    messages = [('/camera_info', bags.START, bags.camera())]
    for number in range(60):
        stamp_ns, at = (bags.START + k * step_ns for k in (number % 30, number))
        messages.append(('/spikes', at, bags.packet(stamp_ns, block)))
    bag(*messages)(root)


@step
def cut_camera(root, **fields):
    shutil.rmtree(root)
    bags.bag(root, cameras.camera_info(**fields))


def cut_storage(root):
    (file,) = root.glob('*.db3')
    file.write_bytes(file.read_bytes()[:1000])


LEFT_RIGHT = (*readable.packets(readable.spikes(20), '/left/spikes'),
              *readable.packets(readable.spikes(20), '/the_right/spikes'))  # fmt: skip
LEFT_INFO = readable.small_camera(topic='/left/camera_info')
OTHER_INFO = ',camera_info=left/camera_info'
OTHER_EYE = LEFT_INFO, *LEFT_RIGHT[:2], *readable.packets(PLANES_32, '/right/camera/spikes')
DS = cameras.lens('ds', (0.1,), width=COLUMNS, height=ROWS)


def nan_matrix(fx, cx=23.5, cy=15.5):
    return cut_camera(k=np.array([fx, 0, cx, 0, 40 if cx == 23.5 else fx, cy, 0, 0, 1]))


def with_truth(*maps):
    depth = [(10 * (1 + k), '16UC1' if one.dtype.kind == 'u' else '32FC1', one)
             for k, one in enumerate(maps)]  # fmt: skip
    return bag(depth=depth)


ROSBAG = {
    'a clock set back': ('set back by 2.', clock_set_back),
    'an unknown lens': ("'ds'", bag(lens=DS)),
    'a camera of shares': ('0.8 and 0.8', bag(fx=0.8)),
    'no such topic': ('left/spikes', ',spikes=left/spikes'),
    'no such camera': ('camera_info', OTHER_INFO),
    'packets of another size': ('4 of 4', OTHER_INFO + ',size=40x30'),
    'packets of two frames': ("'left', 'right'", two_in_one_topic(5 * PERIOD, ('left', 'right'))),
    'streams of two topics': (
        '2 topics called spikes',
        bag(LEFT_INFO, readable.small_camera(topic='/the_right/camera_info'), *LEFT_RIGHT),
    ),
    'the camera of another eye': ('camera_info', bag(*OTHER_EYE), ',spikes=/right/camera/spikes'),
    'storage that is cut': ('to recover more', cut_storage),
    'a map that its step does not hold': (
        'data holds', bag(depth=[(20, '32FC1', MAP), (31, '16UC1', MAP[:, ::2].copy())]),
        Use(depth_of(1)),
    ),
    'a matrix of another size': ('(47.5, 31.5)', nan_matrix(80.0, 47.5, 31.5)),
    'a matrix with nan': ('nan and 40', nan_matrix(np.nan)),
    'a matrix below 0': ('-40 and 40', nan_matrix(-40.0)),
    'another unit later': ('4e+03 m', with_truth(*LATER), Use(depth_of(1))),
} | {
    f'two cameras in one topic, {shift} ns apart': ('/camera/spikes', two_in_one_topic(shift))
    for shift in (0, 1000, 3 * PERIOD + 7, 9 * PERIOD)
} | {
    name: (told, cut_camera(**fields)) for name, (fields, told) in cameras.DOES_NOT_FIT.items()
} | {
    f'{name}, in a bag': ('per_metre', with_truth(one, one)) for name, one in UNITS.items()
}  # fmt: skip


def test_bad_sets_of_spikes_are_refused(tmp_path, refusals):
    sets = {'respike': RESPIKE, 'dat': DAT, 'npz': NPZ, 'rosbag': ROSBAG}
    refusals('sets_of_spikes', rows_of(tmp_path, sets), None, LIBRARIES)


# Of two eyes.

TWO = made(readable.dat_pair), '/left', ',size=160x96,rate_hz=20000'
RIGHT, APART = ',right={root}/right', ',baseline=0.1,fx=80'


@step
def right_eye(root, change):
    """The right eye's planes, changed."""
    readable.write_planes(root / 'right/car.dat', change(readable.textured()[1]))


def exchanged(root):
    for old, other in (('left', 'a'), ('right', 'left'), ('a', 'right')):
        (root / old).rename(root / other)


DAT_PAIRS = {
    'no baseline': ('baseline', RIGHT, ',fx=80'),
    'a baseline below 0': ('-1 m', RIGHT, ',fx=80,baseline=-1'),
    'no number as baseline': ("option baseline is 'nan'", RIGHT, ',fx=80,baseline=nan'),
    'one eye with a baseline': ('baseline', APART),
    'no focal length': ('fx', RIGHT, ',baseline=0.1'),
    'one eye twice': ('car.dat', ',right={root}/left', APART),
    'no right recording': ('car.dat', ',right={root}', APART),
    'one right file of two': (
        'one file', lambda root: shutil.copy(root / 'left/car.dat', root / 'left/bus.dat'),
        RIGHT + '/car.dat', APART,
    ),
    'another sensor': (
        'right/car.dat', right_eye(lambda planes: planes[:99, :, :152]), RIGHT, APART,
    ),
    'eyes exchanged': ('dat/car', exchanged, RIGHT, APART),
    'eyes of other rows': (
        'lower than the right', right_eye(lambda planes: np.roll(planes, 3, axis=1)), RIGHT, APART,
    ),
}  # fmt: skip


@step
def pair(root, left=None, right=None, change=lambda messages: messages):
    """A bag of two eyes; of each eye options, and a change of the messages of the right one."""
    shutil.rmtree(root)
    planes = readable.numbered(400)
    eyes = [readable.of_eye('left', planes, **(left or {}))]
    eyes.append(change(readable.of_eye('right', planes, **(right or {}))))
    readable.bag_pair(root, *eyes)


def narrow(messages):
    info = StereoRig.from_baseline(0.1, 80.0, 48, 48).right
    return readable.of_eye('right', readable.numbered(400)[:, :, :48], info=info)


def big_endian(messages):
    for _, _, packet in messages[1:]:
        packet.is_bigendian = 1
    return messages


def bare(messages):
    return messages[1:]


L, R = ({'info': one} for one in (readable.RIG.left, readable.RIG.right))
BAG_PAIRS = {
    'stamps that do not overlap': ('/left/spikes', pair(right={'offset_ns': -(10**9)})),
    'two rates': ('/left/spikes has 20000', pair(right={'period_ns': 40_000})),
    'two sizes': ('of 48x48', pair(change=narrow)),
    'the left camera twice': ('P[3]', pair(right=L)),
    'cameras exchanged': ('exchange the cameras', pair(R, L)),
    'two bit orders': ('little and big', pair(change=big_endian)),
    'no right eye': ('/right/spikes', pair(change=lambda messages: [])),
    'no right camera': ('camera_info', pair(change=bare)),
    'no right camera, but a size': ('/right/spikes', pair(change=bare), ',size=96x48'),
    'one eye twice': ('/left/spikes', pair(), ',right=/left/spikes'),
    'the focal length of one eye': ('fx', pair(), ',fx=80'),
}


calib = functools.partial(new, 'calib.txt')


@step
def disparity(root, scale, calib=readable.CALIB):
    shutil.rmtree(root)
    readable.middlebury(root, scale=scale, calib=calib)


def half_pictures(root):
    for view in ('im0.png', 'im1.png'):
        put(view, np.zeros((32, 48, 3), np.uint8))(root)


def disparity_of(clip):
    return clip.right.disparity(0)


BASELINE = 'baseline=193.001'
MIDDLEBURY = {
    'another size': ('calib.txt', calib('width=96\nheight=64', 'width=192\nheight=128')),
    'no width': ('width', calib('width=96\n', '')),
    'another doffs': ('doffs=11', calib('doffs=5.5', 'doffs=11')),
    'metres': ('baseline=0.193', calib(BASELINE, 'baseline=0.193')),
    'centimetres': ('median depth', calib(BASELINE, 'baseline=1.93')),
    'a baseline below 0': ('baseline=-193', calib(BASELINE, 'baseline=-193')),
    'an empty baseline': ('baseline=', calib(BASELINE, 'baseline=')),
    'no number as baseline': ('baseline=nan', calib(BASELINE, 'baseline=nan')),
    'two focal lengths': ('calib.txt', calib('cam1=[100.5 0', 'cam1=[101.5 0')),
    'other rows': ('calib.txt', calib('45.75; 0 100.5 30.5', '45.75; 0 100.5 33')),
    'a skewed camera': ('cam0', calib('cam0=[100.5 0', 'cam0=[100.5 2')),
    'a camera of shares': ('cam0', calib('cam0=[100.5 0', 'cam0=[0.5 0')),
    'a camera of eight numbers': ('cam0=', calib('cam0=[100.5 0', 'cam0=[100.5')),
    'no right camera': ('cam1=', calib('cam1=', 'cam2=')),
    'no left camera': ('cam0=', calib('cam0=', 'K=')),
    'two baselines': ('baseline=', calib('isint=0', 'baseline=160')),
    'disparities above ndisp': ('ndisp', calib('ndisp=32', 'ndisp=8')),
    'disparities wider than the picture': (
        'width', disparity(10, readable.CALIB.replace('ndisp=32\n', '')),
    ),
    'disparities below 0': ('-29', disparity(-2.0)),
    'disparity of another size': (
        'disp0GT.pfm', half_pictures,
        calib('width=96\nheight=64', 'width=48\nheight=32'),
    ),
    'no disparity': ('disp0GT.pfm', gone('disp0GT.pfm')),
    'disparity cut short': (
        'disp0GT.pfm',
        lambda root: os.truncate(root / 'disp0GT.pfm', (root / 'disp0GT.pfm').stat().st_size - 3),
    ),
    'a mask of another size': (
        'mask0nocc.png', put('mask0nocc.png', np.full((64, 96), 255, np.uint8)),
        Use(lambda clip: clip.depth(0), put('mask0nocc.png', np.zeros((10, 96), np.uint8))),
    ),
}  # fmt: skip


SQUARE = {  # of two pairs, of which Art has metres
    'no right picture': ('view5.png', '/Art', gone('Art/view5.png')),
    'dmin of words': ('dmin.txt', '/Art', put('Art/dmin.txt', 'far')),
    'dmin below 0': ('dmin.txt', '/Art', put('Art/dmin.txt', '-3')),
    'no number as dmin': ('dmin.txt', '/Art', put('Art/dmin.txt', 'nan')),
    'no picture': ('view1.png', '/Art', put('Art/view1.png', 'no picture')),
    'a wide picture': ('view1.png', '/Art', put('Art/view1.png', np.zeros((4, 1390, 3), 'u1'))),
    'right pictures of neither': ('2 of 2', gone('Art/view5.png', 'Cones/im6.png')),
    'metres that cannot be': ('0.00598 m', put('Art/dmin.txt', '1e5')),
} | {
    f'later disparity {name}': (
        'disp2.png', gone('Art'), Use(disparity_of, put('Cones/disp2.png', content)),
    )
    for name, content in (
        ('of 16 bits', np.zeros((64, 96), 'u2')), ('in colour', np.zeros((64, 96, 3), 'u1')),
        ('cut short', b'\x89PNG\r\n\x1a\n'),
    )
}  # fmt: skip


def test_bad_sets_of_two_eyes_are_refused(tmp_path, refusals, middlebury):
    copied = made(lambda root: shutil.copytree(middlebury, root, dirs_exist_ok=True))
    dat = {name: (told, *TWO, *parts) for name, (told, *parts) in DAT_PAIRS.items()}
    rosbag = {name: (told, readable.BOTH, *parts) for name, (told, *parts) in BAG_PAIRS.items()}
    square = {name: (told, copied, *parts) for name, (told, *parts) in SQUARE.items()}
    sets = {'middlebury': MIDDLEBURY | square, 'dat': dat, 'rosbag': rosbag}
    differing = {r'-3\.\d pixels': '-3 pixels', r'(g:? cannot be read: ).*': r'\1<library>'}
    refusals('sets_of_two_eyes', rows_of(tmp_path, sets), None, differing)


# Of options, whichever a reader has.

PARTNERS = {
    ('dat', 'baseline'): ',right={root}', ('dat', 'right'): ',baseline=0.1',
}  # fmt: skip
"""Options that are looked at only beside others."""
UNCHECKED = {
    ('npz', 'fx'), ('rosbag', 'size'), ('rosbag', 'camera_info'), ('rosbag', 'depth'),
    ('rosbag', 'right_camera_info'), ('rendered', 'views'),
}  # fmt: skip
"""Options of which some values have no effect on a sound set."""
OTHERWISE = {('kitti', 'right'): 'P_rect_', ('vkitti', 'camera'): 'vkitti_2.0.3_rgb'}
"""What is named in place of a few options: what they make the reader look for."""


def options_of(name):
    read = importlib.import_module(f'{readers.__name__}.{name}').read
    return {
        option: kind
        for option, kind in typing.get_type_hints(read).items()
        if option not in ('root', 'return')
    }


BAD = {
    float: ('nan', '-1', 'inf'),
    int: ('-1',),
    'fx': ('nan', '-500', '0.8', '2e6', 'inf'),
    'rate_hz': ('nan', '-1', '0', '1e-300', 'inf'),
    'white_rate': ('nan', '-1', '0'),
}
"""Values of an option, or of those of a type; of others a name that is none."""


@pytest.fixture(scope='module')
def sound(tmp_path_factory):
    """Return a function that tells where a sound set of a reader is."""
    top = tmp_path_factory.mktemp('sound')

    @functools.cache
    def where(name):
        readable.SOUND[name](top / name)
        return top / name

    return where


@pytest.mark.parametrize('name', readers.READERS)
def test_each_option_is_named_where_it_is_bad(sound, name):
    root, known = sound(name), options_of(name)
    with pytest.raises(DataSetError, match=f'data set {name}: option no_such is unknown: exp'):
        readers.read(name, f'{root},no_such=1')
    for option, kind in known.items():
        if kind in (int, float):
            told = f"data set {name}: option {option} is 'wide': expected a "
            with pytest.raises(DataSetError, match=told):
                readers.read(name, f'{root},{option}=wide')
        if (name, option) in UNCHECKED:
            continue
        for value in BAD.get(option) or BAD.get(kind, ('no-such',)):
            given = f'{readable.OPTIONS.get(name, "")}{PARTNERS.get((name, option), "")}'
            text = readable.refusal(name, root, f'{given.format(root=root)},{option}={value}')
            told = OTHERWISE.get((name, option), option)
            assert told in text or value in text, text
            assert '\n' not in text


def test_paths_that_are_no_sets_show_the_tree(tmp_path):
    for name in readers.READERS:
        for root in (tmp_path / 'nowhere', tmp_path):
            with pytest.raises(DataSetError, match='ROOT') as caught:
                readers.read(name, str(root))
            assert str(root) in str(caught.value)


def test_names_of_no_reader_are_refused(tmp_path):
    with pytest.raises(DataSetError, match="data set 'moon': expected one of cityscapes, dat, "):
        readers.read('moon', str(tmp_path))
