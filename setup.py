# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Build of the package, for colcon (ament_python) and for pip alike."""

from pathlib import Path

from setuptools import find_packages, setup

NAME = 'spike_depth_ros'
SHARE = f'share/{NAME}'

# Of the extras; each is complete in itself.
TORCH = ['torch', 'timm']
BAGS = ['opencv-python-headless', 'rich', 'rosbags>=0.11.9,<0.12']
EVALUATE = [*BAGS, 'jinja2', 'matplotlib']
TRAIN = [
    *EVALUATE,
    *TORCH,
    'cmaes',
    'distributed',
    'h5py',
    'lightning-fabric',
    'onnx',
    'onnx-ir',
    'onnxscript',
    'tensorboard',
]


def files_below(folder: str, pattern: str = '*') -> list[tuple[str, list[str]]]:
    """Return data_files entries for a folder, its sub-folders kept below share."""
    entries: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob(pattern)):
        if path.is_file():
            entries.setdefault(f'{SHARE}/{path.parent.as_posix()}', []).append(path.as_posix())
    return sorted(entries.items())


setup(
    name=NAME,
    version='0.1.0',
    description='Depth from spike cameras for ROS 2',
    author='the spike_depth_ros authors',
    maintainer='the spike_depth_ros authors',
    maintainer_email='spike_depth_ros@users.noreply.github.com',
    license='Apache-2.0',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['assets/*', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml']),
        *files_below('launch', '*.launch.py'),
        *files_below('config'),
    ],
    zip_safe=False,
    python_requires='>=3.10',
    # What the library and its default backend need. ROS is not asked for here: it comes from a ROS
    # installation (package.xml) or from wheels (requirements/runtime.txt). Nor is OpenCV, which
    # would hide that of ROS.
    install_requires=['numpy', 'onnxruntime', 'pillow', 'PyYAML', 'safetensors'],
    extras_require={
        'torch': TORCH,
        'bags': BAGS,
        'evaluate': EVALUATE,
        # Needs numpy 2, and cv_bridge of ROS 2 Jazzy numpy 1.26: an environment of its own.
        'view': [*BAGS, 'rerun-sdk>=0.41,<0.42'],
        'train': TRAIN,
        'teacher': [*TRAIN, 'peft', 'transformers'],
        # Without this entry `colcon test` would run nothing and still succeed.
        'test': ['pytest', 'pytest-timeout', 'hypothesis'],
    },
    entry_points={
        'console_scripts': [
            'spike_depth = spike_depth_ros.commands:spike_depth',
            'spike_stereo = spike_depth_ros.commands:spike_stereo',
            'spike_player = spike_depth_ros.commands:spike_player',
            'spike_camera = spike_depth_ros.commands:spike_camera',
            'check_stream = spike_depth_ros.commands:check_stream',
            'spike_demo = spike_depth_ros.commands:spike_demo',
            'spike_evaluation = spike_depth_ros.commands:spike_evaluation',
            'video_source = spike_depth_ros.commands:video_source',
            'spike_inspect = spike_depth_ros.commands:spike_inspect',
            'spike_record = spike_depth_ros.commands:spike_record',
            'evaluate_bag = spike_depth_ros.tools.evaluate.command:main',
            'spike_convert = spike_depth_ros.tools.convert.command:main',
            'spike_view = spike_depth_ros.tools.view.command:main',
            'spike_reconstruct = spike_depth_ros.tools.reconstruct.command:main',
            'spike_upsample = spike_depth_ros.tools.upsample:main',
        ],
    },
)
