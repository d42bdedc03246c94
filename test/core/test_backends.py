# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import importlib.util
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spike_depth_ros import backends, packing
from spike_depth_ros.backends import Layout, choose
from spike_depth_ros.backends.onnx import OnnxBackend
from spike_depth_ros.checkpoint import (
    CheckpointError,
    default_checkpoint,
    hash_file,
    load,
    load_info,
    onnx_path,
    save,
)
from spike_depth_ros.chunk import Geometry
from spike_depth_ros.estimator import DepthEstimator

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec('torch') is None, reason='torch is not installed'
)


@pytest.fixture
def shipped(tmp_path):
    """A copy of the shipped checkpoint and its export."""
    path = tmp_path / 'model.safetensors'
    shutil.copy(default_checkpoint(), path)
    shutil.copy(onnx_path(default_checkpoint()), onnx_path(path))
    return path


@settings(max_examples=40)
@given(
    height=st.integers(16, 40),
    width=st.integers(16, 40),
    planes=st.integers(1, 40),
    binning=st.sampled_from([1, 2]),
    bit_order=st.sampled_from(['little', 'big']),
)
def test_layout_counts_bins_and_pads_as_defined(height, width, planes, binning, bit_order):
    spikes = np.random.default_rng(height * width).random((planes, height, width)) < 0.4
    layout = Layout(Geometry(height, width, bit_order), planes, 8, binning)
    counts = layout.new_counts()
    counts[:] = 77  # every byte must be written
    layout.count(packing.pack(spikes, bit_order), counts)

    assert (layout.height, layout.width) == (height // binning, width // binning)
    rows, columns = layout.padded
    assert rows % 16 == columns % 16 == 0
    assert 0 <= rows - layout.height < 16
    edges = packing.bin_edges(planes, 8)
    sums = np.stack([spikes[start:stop].sum(axis=0) for start, stop in edges])
    cut = sums[:, : layout.height * binning, : layout.width * binning]
    pooled = cut.reshape(8, layout.height, binning, layout.width, binning).sum(axis=(2, 4))
    padding = ((0, 0), (0, rows - layout.height), (0, columns - layout.width))
    np.testing.assert_array_equal(counts[0], np.pad(pooled, padding, mode='edge'))
    full = np.ones_like(spikes[:, :1, :1])
    of = np.stack([full[start:stop].sum() for start, stop in edges]) * binning**2
    np.testing.assert_array_equal(layout.planes_per_bin, of)


@pytest.mark.parametrize(('binning', 'most'), [(1, 255 * 32), (2, 63 * 32)])
def test_the_longest_window_fits_and_one_plane_more_is_refused(binning, most):
    layout = Layout(Geometry(16, 16), most, 32, binning)
    counts = layout.new_counts()
    layout.count(np.full((most, 16, 2), 255, np.uint8), counts)
    assert np.all(counts == layout.planes_per_bin[0])
    with pytest.raises(ValueError, match=f'{most + 1} planes: at most {most}'):
        Layout(Geometry(16, 16), most + 1, 32, binning)


def test_auto_takes_what_is_there(monkeypatch):
    monkeypatch.setattr(backends, 'has_cuda', lambda: True)
    assert choose('auto', 'auto', has_onnx=True) == ('torch', 'cuda')
    assert choose('auto', 'cpu', has_onnx=True) == ('onnx', 'cpu')
    assert choose('onnx', 'auto', has_onnx=True) == ('onnx', 'cpu')
    monkeypatch.setattr(backends, 'has_cuda', lambda: False)
    monkeypatch.setattr(backends, '_has_torch', lambda: True)
    assert choose('auto', 'auto', has_onnx=True) == ('onnx', 'cpu')
    assert choose('auto', 'auto', has_onnx=False) == ('torch', 'cpu')
    assert choose('torch', 'auto', has_onnx=True) == ('torch', 'cpu')
    monkeypatch.setattr(backends, '_has_torch', lambda: False)
    assert choose('auto', 'auto', has_onnx=False) == ('onnx', 'cpu')


@pytest.mark.parametrize('torch_there', [True, False])
@pytest.mark.parametrize('backend', ['auto', 'torch'])
def test_cuda_without_one_is_refused(monkeypatch, backend, torch_there):
    monkeypatch.setattr(backends, 'has_cuda', lambda: False)
    monkeypatch.setattr(backends, '_has_torch', lambda: torch_there)
    expected = "device 'cuda': torch sees no GPU" if torch_there else 'torch is not installed'
    if backend == 'torch' and not torch_there:
        expected = "'torch' needs torch, which is not installed"
    with pytest.raises(ValueError, match=expected):
        choose(backend, 'cuda', has_onnx=True)


@pytest.mark.parametrize(
    ('backend', 'device', 'message'),
    [
        ('onnx', 'cuda', "backend 'onnx' runs on the CPU"),
        ('tensorrt', 'auto', "backend 'tensorrt': expected one of auto, onnx, torch"),
        ('auto', 'gpu', "device 'gpu': expected one of auto, cpu, cuda"),
    ],
)
def test_what_cannot_be_is_refused(backend, device, message):
    with pytest.raises(ValueError, match=message):
        choose(backend, device, has_onnx=True)


def test_a_missing_export_is_refused_with_the_remedy(shipped):
    onnx_path(shipped).unlink()
    with pytest.raises(CheckpointError, match=r'no such file: .*run\.py export.* backend torch'):
        DepthEstimator.from_checkpoint(shipped, backend='onnx')


def test_an_export_of_other_weights_is_refused(shipped):
    info, tensors = load(shipped)
    name = next(name for name in tensors if name.endswith('position'))
    save(shipped, tensors | {name: tensors[name] + np.float16(1)}, info)
    with pytest.raises(CheckpointError, match='exported from other weights'):
        DepthEstimator.from_checkpoint(shipped, backend='onnx')


def test_an_export_that_the_checkpoint_does_not_name_is_refused(shipped):
    info, tensors = load(shipped)
    save(shipped, tensors, dataclasses.replace(info, onnx_sha256=None))
    with pytest.raises(CheckpointError, match='not the export that its checkpoint names'):
        DepthEstimator.from_checkpoint(shipped, backend='onnx')


@pytest.mark.parametrize('share', [0, 0.5, 0.999])
def test_a_truncated_export_is_refused(shipped, share):
    file = onnx_path(shipped)
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match='not the export that its checkpoint names'):
        DepthEstimator.from_checkpoint(shipped, backend='onnx')


def test_an_export_that_onnx_runtime_cannot_read_is_refused_in_one_line(tmp_path):
    file = tmp_path / 'model.onnx'
    file.write_bytes(b'not a graph')
    info = dataclasses.replace(load_info(default_checkpoint()), onnx_sha256=hash_file(file))
    with pytest.raises(CheckpointError, match='ONNX Runtime does not load it') as caught:
        OnnxBackend(file, info)
    assert '\n' not in str(caught.value)


@needs_torch
@pytest.mark.parametrize('size', [(64, 96), (50, 70)])
@pytest.mark.parametrize('planes', [16, 37, 128])
def test_onnx_and_torch_agree(size, planes):
    info, tensors = load(default_checkpoint())
    from spike_depth_ros.backends.torch import TorchBackend

    layout = Layout(Geometry(*size), planes, info.bins, multiple=info.multiple)
    packed = packing.pack(np.random.default_rng(planes).random((planes, *size)) < 0.2)
    ours = OnnxBackend(onnx_path(default_checkpoint()), info, 2).run(packed, layout)
    theirs = TorchBackend(info, tensors, 'cpu', 2).run(packed, layout)
    for found, expected in zip(ours, theirs, strict=True):
        assert found.dtype == expected.dtype == np.float32
        assert found.shape == expected.shape == size
        assert found.flags.c_contiguous
        assert expected.flags.c_contiguous
        np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert ours[0].std() > 0.01 * ours[0].mean()


@needs_torch
def test_a_backend_follows_windows_that_change_in_size():
    """Buffers are kept between windows: they must not be kept too long."""
    info, tensors = load(default_checkpoint())
    from spike_depth_ros.backends.torch import MAX_GRAPHS, TorchBackend

    runners = [
        OnnxBackend(onnx_path(default_checkpoint()), info, 2),
        TorchBackend(info, tensors, 'cpu', 2),
    ]
    sizes = [(32 + 16 * i, 48) for i in range(MAX_GRAPHS + 1)]
    for size in [*sizes, *sizes]:
        packed = packing.pack(np.random.default_rng(size[0]).random((32, *size)) < 0.2)
        layout = Layout(Geometry(*size), 32, info.bins, multiple=info.multiple)
        results = [runner.run(packed, layout) for runner in runners]
        np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-3)


@needs_torch
@pytest.mark.skipif(not backends.has_cuda(), reason='needs a CUDA device')
@pytest.mark.parametrize('binning', [1, 2])
def test_cuda_agrees_with_the_cpu(binning):
    info, tensors = load(default_checkpoint())
    from spike_depth_ros.backends.torch import TorchBackend

    layout = Layout(Geometry(101, 143), 100, info.bins, binning, info.multiple)
    generator = np.random.default_rng(0)
    gpu, cpu = (TorchBackend(info, tensors, device) for device in ('cuda', 'cpu'))
    for _ in range(3):  # the graph is captured once and replayed
        packed = packing.pack(generator.random((100, 101, 143)) < 0.2)
        found, _ = gpu.run(packed, layout)
        expected, _ = cpu.run(packed, layout)
        assert np.median(np.abs(np.log(found / expected))) < 0.05
    gpu.close()


@needs_torch
@pytest.mark.skipif(not backends.has_cuda(), reason='needs a CUDA device')
def test_a_captured_graph_keeps_what_it_reads():
    """Memory that nobody keeps is given to others, whose numbers the graph would then read."""
    import torch

    from spike_depth_ros.backends.torch import TorchBackend

    info, tensors = load(default_checkpoint())
    backend = TorchBackend(info, tensors, 'cuda')
    generator = np.random.default_rng(0)
    windows = {}
    for planes in (64, 100, 128):
        layout = Layout(Geometry(32, 48), planes, info.bins, 1, info.multiple)
        packed = packing.pack(generator.random((planes, 32, 48)) < 0.2)
        windows[layout] = packed, backend.run(packed, layout)[0]
        # In every size that may have been let go.
        litter = [torch.full((1 << k,), torch.nan, device='cuda') for k in range(20)]
        for seen, (planes_seen, depth) in windows.items():
            np.testing.assert_array_equal(backend.run(planes_seen, seen)[0], depth)
        del litter
    backend.close()
