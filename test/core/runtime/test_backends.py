# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses
import functools
import importlib.util
import itertools
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import cameras
from spike_depth_ros.base.results import hash_file
from spike_depth_ros.checkpoint import (
    CheckpointError,
    default_checkpoint,
    find_checkpoint,
    load,
    load_info,
    onnx_path,
    save,
)
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.filters.upsampling import Upsampler
from spike_depth_ros.geometry.rectification import Rectification
from spike_depth_ros.runtime import backend as backends
from spike_depth_ros.runtime.backend import choose
from spike_depth_ros.runtime.layout import Layout
from spike_depth_ros.runtime.onnx import OnnxBackend
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.tasks.base import SpikeInfo
from spike_depth_ros.tools.evaluate.command import main as evaluate_bag
from spike_depth_ros.tools.upsample import main as upsample

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec('torch') is None, reason='torch is not installed'
)
needs_cuda = pytest.mark.skipif(not backends.has_cuda(), reason='needs a CUDA device')


@pytest.fixture
def shipped(tmp_path):
    """A copy of the shipped checkpoint and its export."""
    path = tmp_path / 'model.safetensors'
    shutil.copy(default_checkpoint(), path)
    shutil.copy(onnx_path(default_checkpoint()), onnx_path(path))
    return path


def counted_plainly(spikes, layout):
    """A second implementation of ``Layout.count`` on unpacked planes."""
    edges = packing.bin_edges(len(spikes), layout.bins)
    pixels = np.stack([spikes[start:stop].sum(axis=0, dtype=np.int64) for start, stop in edges])
    height, width, binning = layout.height, layout.width, layout.pixel_binning
    pixels = pixels[:, : height * binning, : width * binning]
    pixels = pixels.reshape(-1, height, binning, width, binning).sum(axis=(2, 4))
    (rows, columns), pool = layout.input_size, layout.pool
    missing = ((0, 0), (0, rows * pool - height), (0, columns * pool - width))
    pixels = np.pad(pixels, missing, mode='edge')
    return pixels.reshape(-1, rows, pool, columns, pool).sum(axis=(2, 4))


@settings(max_examples=50)
@given(
    height=st.integers(16, 60),
    width=st.integers(16, 60),
    planes=st.one_of(st.integers(1, 40), st.integers(41, 1300)),
    pool=st.sampled_from([1, 2, 3, 4, 8, 16]),
    binning=st.sampled_from([1, 2]),
    bins=st.sampled_from([1, 8, 32]),
    rate=st.sampled_from([0.1, 0.5, 1.0]),
    bit_order=st.sampled_from(['little', 'big']),
)
def test_layout_counts_bins_and_pads_as_defined(
    height, width, planes, pool, binning, bins, rate, bit_order
):
    planes = min(planes, backends.MAX_COUNT // (pool * binning) ** 2 * bins)
    spikes = np.random.default_rng(height * width).random((planes, height, width)) < rate
    layout = Layout(Geometry(height, width, bit_order), planes, bins, binning, pool)
    counts = layout.new_counts()
    counts[:] = 7777  # every one must be written
    layout.count(packing.pack(spikes, bit_order), counts)

    assert (layout.height, layout.width) == (height // binning, width // binning)
    rows, columns = layout.input_size
    assert rows % 16 == columns % 16 == 0
    assert 0 <= rows * pool - layout.height < 16 * pool
    assert 0 <= columns * pool - layout.width < 16 * pool
    assert counts.dtype == np.uint16
    np.testing.assert_array_equal(counts[0], counted_plainly(spikes, layout))
    edges = packing.bin_edges(planes, bins)
    of = (edges[:, 1] - edges[:, 0]) * (pool * binning) ** 2
    np.testing.assert_array_equal(layout.planes_per_bin, of)


def test_windows_whose_bins_are_added_in_chunks_are_counted_too(monkeypatch):
    monkeypatch.setattr(packing, 'CHUNK_BYTES', 1000)
    spikes = np.random.default_rng(0).random((150, 40, 50)) < 0.4
    for pool in (1, 4):
        layout = Layout(Geometry(40, 50), 150, 32, pool=pool)
        counts = layout.new_counts()
        layout.count(packing.pack(spikes), counts)
        np.testing.assert_array_equal(counts[0], counted_plainly(spikes, layout))


@pytest.mark.parametrize(
    ('binning', 'pool', 'most'),
    [(1, 1, 65535), (2, 1, 16383), (1, 4, 4095), (2, 4, 1023), (1, 3, 7281), (1, 16, 255)],
)
def test_the_longest_window_fits_and_one_plane_more_is_refused(binning, pool, most):
    layout = Layout(Geometry(16, 16), 2 * most, 2, binning, pool)
    counts = layout.new_counts()
    layout.count(np.full((2 * most, 16, 2), 255, np.uint8), counts)
    assert np.all(counts == layout.planes_per_bin[0])
    assert layout.planes_per_bin[0] == most * (binning * pool) ** 2
    with pytest.raises(ValueError, match=f'{2 * most + 1} planes: expected at most {2 * most} '):
        Layout(Geometry(16, 16), 2 * most + 1, 2, binning, pool)


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


def test_what_cannot_be_is_refused(monkeypatch, refusals):
    def choose_with(torch_there, *given):
        monkeypatch.setattr(backends, 'has_cuda', lambda: False)
        monkeypatch.setattr(backends, '_has_torch', lambda: torch_there)
        return choose(*given, has_onnx=True)

    rows = {
        f'{backend} on {device}, {"with" if torch_there else "no"} torch': (
            named, functools.partial(choose_with, torch_there, backend, device),
        )
        for named, torch_there, backend, device in (
            ('cuda', True, 'auto', 'cuda'), ('torch', False, 'auto', 'cuda'),
            ('cuda', True, 'torch', 'cuda'), ('torch', False, 'torch', 'cuda'),
            ('onnx', True, 'onnx', 'cuda'), ('tensorrt', True, 'tensorrt', 'auto'),
            ('gpu', True, 'auto', 'gpu'),
        )
    }  # fmt: skip
    for threads in (-1, 1025):
        for backend in ('onnx', 'torch'):
            rows[f'{threads} threads of {backend}'] = (
                'threads',
                functools.partial(
                    DepthEstimator.from_checkpoint, device='cpu', backend=backend, threads=threads
                ),
            )
        rows[f'{threads} threads of an upsampler'] = (
            'threads', functools.partial(Upsampler.from_checkpoint, threads=threads),
        )  # fmt: skip
    refusals('device', rows, ValueError)


@pytest.mark.parametrize(
    ('command', 'arguments'), [(evaluate_bag, ['bag']), (upsample, ['a.npy', '--factor', '4'])]
)
def test_commands_refuse_a_number_of_threads_that_cannot_be(command, arguments, capsys):
    with pytest.raises(SystemExit):
        command([*arguments, '--out', 'out', '--threads', '99999999999'])
    assert '--threads is 99999999999: expected 0 to 1024 (' in capsys.readouterr().err


def graph(path, kind, outputs):
    """An export that casts counts of a type, and the metadata that name it."""
    onnx = pytest.importorskip('onnx')
    value, real = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    counts = value('counts', getattr(onnx.TensorProto, kind), [1, 9, 'rows', 'columns'])
    of = value('planes_per_bin', onnx.TensorProto.INT32, [9])
    nodes = [onnx.helper.make_node('Cast', ['counts'], [name], to=real) for name in outputs]
    images = [value(name, real, None) for name in outputs]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(nodes, 'old', [counts, of], images),
        opset_imports=[onnx.helper.make_opsetid('', 20)],
        ir_version=9,
    )
    info = dataclasses.replace(load_info(default_checkpoint()), settings={})
    onnx.helper.set_model_props(model, {'weights_sha256': info.weights_sha256})
    path.write_bytes(model.SerializeToString())
    return path, named(info, path)


def named(info, path):
    return dataclasses.replace(info, onnx_sha256=hash_file(path))


LIBRARIES = {
    r'does not load it \(.*\): export': 'does not load it (REASON): export',
    r'does not run \(.*\): export': 'does not run (REASON): export',
}


def test_exports_that_are_not_those_of_their_checkpoint_are_refused(shipped, tmp_path, refusals):
    info, tensors = load(shipped)
    whole, rows = onnx_path(shipped).read_bytes(), {}

    def row(name, word, info=info, tensors=tensors, export=whole):
        path = tmp_path / str(len(rows)) / 'model.safetensors'
        path.parent.mkdir()
        save(path, tensors, info)
        if export is not None:
            onnx_path(path).write_bytes(export)
        rows[name] = word, functools.partial(DepthEstimator.from_checkpoint, path, backend='onnx')

    row('no export', 'run.py export', export=None)
    bias = next(name for name in tensors if name.endswith('bias'))
    row('other weights', 'model.onnx', tensors={**tensors, bias: tensors[bias] + np.float16(1)})
    row('not named', 'model.onnx', dataclasses.replace(info, onnx_sha256=None))
    for share in (0, 0.5, 0.999):
        row(f'{share} of an export', 'model.onnx', export=whole[: int(share * len(whole))])
    row('other bins', 'field bins', dataclasses.replace(info, bins=32))
    row('another pool', 'settings.pool is 4', dataclasses.replace(info, settings={'pool': 4}))
    row('no pool', 'settings.pool is 1', dataclasses.replace(info, settings={}))

    def opened(name, word, path, info):
        rows[name] = word, functools.partial(OnnxBackend, path, info, 2)

    file = tmp_path / 'no_graph.onnx'
    file.write_bytes(b'not a graph')
    opened('no graph', 'no_graph.onnx', file, named(info, file))
    more = dataclasses.replace(info, outputs=('depth', 'uncertainty', 'flow'))
    opened('an output that it lacks', 'flow', onnx_path(shipped), more)
    refusals('onnx_export', rows, CheckpointError, LIBRARIES)


def test_exports_of_other_inputs_or_outputs_are_refused(tmp_path, refusals):
    both = ['depth', 'uncertainty']
    good, info = graph(tmp_path / 'good.onnx', 'UINT16', both)
    OnnxBackend(good, info)
    # Names that are no UTF-8, as a damaged file may have them.
    file = tmp_path / 'names.onnx'
    file.write_bytes(good.read_bytes().replace(b'weights_sha256', b'weights_\xff\xff\xff256'))
    exports = {
        'counts of bytes': ('uint8', *graph(tmp_path / 'bytes.onnx', 'UINT8', both)),
        'no uncertainty': ('uncertainty', *graph(tmp_path / 'one.onnx', 'UINT16', ['depth'])),
        'names that are not UTF-8': ('names.onnx', file, named(info, file)),
    }
    rows = {
        name: (word, functools.partial(OnnxBackend, *given))
        for name, (word, *given) in exports.items()
    }
    refusals('onnx_graph', rows, CheckpointError, LIBRARIES)


@needs_torch
@pytest.mark.parametrize(
    ('size', 'binning', 'bit_order'),
    [((61, 83), 1, 'big'), ((64, 96), 1, 'little'), ((101, 143), 2, 'little')],
)
def test_depth_from_pooled_counts_is_that_from_counts_of_pixels(size, binning, bit_order):
    """The shipped export on packed planes, and its network on averages of counted pixels."""
    import torch

    from spike_depth_ros.networks.registry import build_with_weights

    info, tensors = load(default_checkpoint())
    assert info.pool > 1
    generator = np.random.default_rng(0)
    spikes = generator.random((100, *size)) < generator.random((1, *size)) / 2
    geometry = Geometry(*size, bit_order)
    layout = Layout(geometry, 100, info.bins, binning, info.pool)
    backend = OnnxBackend(onnx_path(default_checkpoint()), info, 1)
    found = backend.run(packing.pack(spikes, bit_order), layout)
    # Every pixel of the image, edges repeated; the network averages them itself.
    rows, columns = (side * info.pool for side in layout.input_size)
    pixels = dataclasses.replace(layout, pool=1)
    counts = counted_plainly(spikes, pixels)[:, : layout.height, : layout.width]
    missing = ((0, 0), (0, rows - layout.height), (0, columns - layout.width))
    counts = np.pad(counts, missing, mode='edge').astype(np.float32)[None]
    network = build_with_weights(info, tensors).eval()
    with torch.inference_mode():
        output = network(torch.from_numpy(counts), torch.from_numpy(pixels.planes_per_bin))
    assert tuple(found) == info.outputs == ('depth', 'uncertainty')
    for name, mine in found.items():
        expected = getattr(output, name)[0, 0, : layout.height, : layout.width].numpy()
        np.testing.assert_allclose(mine, expected, rtol=1e-4)


@needs_torch
@pytest.mark.parametrize(
    ('size', 'planes'), [((50, 70), 16), ((64, 96), 37), ((50, 70), 37), ((64, 96), 128)]
)
def test_onnx_and_torch_agree(size, planes):
    info, tensors = load(default_checkpoint())
    from spike_depth_ros.runtime.torch import TorchBackend

    layout = Layout(Geometry(*size), planes, info.bins, pool=info.pool)
    packed = packing.pack(np.random.default_rng(planes).random((planes, *size)) < 0.2)
    ours = OnnxBackend(onnx_path(default_checkpoint()), info, 1).run(packed, layout)
    theirs = TorchBackend(info, tensors, 'cpu', 1).run(packed, layout)
    assert tuple(ours) == tuple(theirs) == info.outputs
    for name, found in ours.items():
        assert found.dtype == theirs[name].dtype == np.float32
        assert found.shape == theirs[name].shape == size
        np.testing.assert_allclose(found, theirs[name], rtol=1e-3)
    assert ours['depth'].std() > 0.01 * ours['depth'].mean()


@needs_torch
def test_outputs_are_those_that_the_metadata_name():
    from spike_depth_ros.runtime.torch import TorchBackend

    info, tensors = load(default_checkpoint())
    layout = Layout(Geometry(32, 48), 32, info.bins, pool=info.pool)
    packed = packing.pack(np.random.default_rng(0).random((32, 32, 48)) < 0.2)
    turned = dataclasses.replace(info, outputs=('uncertainty', 'depth'))
    for make in (
        lambda known: OnnxBackend(onnx_path(default_checkpoint()), known, 1),
        lambda known: TorchBackend(known, tensors, 'cpu', 1),
    ):
        usual, found = (make(known).run(packed, layout) for known in (info, turned))
        assert tuple(found) == ('uncertainty', 'depth')
        for name, image in usual.items():
            np.testing.assert_array_equal(found[name], image)
    other = dataclasses.replace(info, outputs=('depth', 'uncertainty', 'flow'))
    with pytest.raises(CheckpointError, match='expected names of depth, uncertainty'):
        TorchBackend(other, tensors, 'cpu', 1)


@needs_torch
def test_a_backend_follows_windows_that_change_in_size():
    """Buffers are kept between windows: they must not be kept too long."""
    info, tensors = load(default_checkpoint())
    from spike_depth_ros.runtime.torch import MAX_GRAPHS, TorchBackend

    runners = [
        OnnxBackend(onnx_path(default_checkpoint()), info, 1),
        TorchBackend(info, tensors, 'cpu', 1),
    ]
    sizes = [(32 + 16 * i, 48) for i in range(MAX_GRAPHS + 1)]
    for size in [*sizes, *sizes]:
        packed = packing.pack(np.random.default_rng(size[0]).random((32, *size)) < 0.2)
        layout = Layout(Geometry(*size), 32, info.bins, pool=info.pool)
        results = [runner.run(packed, layout) for runner in runners]
        np.testing.assert_allclose(results[0]['depth'], results[1]['depth'], rtol=1e-3)


def sensor_of(shape, name):
    """Correction of the sensor or rectification of the lens by its name, for a layout."""
    generator = np.random.default_rng(5)
    maps = 1 + 0.2 * generator.random(shape), 2.0 * generator.random(shape)
    correction = SensorCorrection(generator.random(shape) < 0.02, *maps)
    lens = cameras.lens('equidistant', (0.03, -0.02, 0.0, 0.0), 90.0, 70.0, shape[1], shape[0])
    rectification = Rectification(lens)
    return {
        'corrected': {'correction': correction, 'rate_hz': 20_000.0},
        'rectified': {'rectification': rectification},
        'both': {
            'correction': correction, 'rate_hz': 20_000.0, 'rectification': rectification,
        },
    }.get(name, {})  # fmt: skip


@needs_torch
@needs_cuda
@pytest.mark.parametrize(
    ('model', 'kind'),
    [
        *itertools.product(['unet_lite'], ['plain', 'binned', 'corrected', 'rectified', 'both']),
        ('recon_lite', 'plain'),
    ],
)
def test_cuda_agrees_with_the_cpu(model, kind):
    info, tensors = load(find_checkpoint(model), SpikeInfo)
    from spike_depth_ros.runtime.torch import TorchBackend

    shape = 101, 143
    binning = 2 if kind == 'binned' else 1
    pool = info.pool
    planes = min(100, info.planes)
    layout = Layout(Geometry(*shape), planes, info.bins, binning, pool, **sensor_of(shape, kind))
    generator = np.random.default_rng(0)
    gpu, cpu = (TorchBackend(info, tensors, device) for device in ('cuda', 'cpu'))
    for _ in range(3):  # the graph is captured once and replayed
        packed = packing.pack(generator.random((planes, *shape)) < 0.2)
        found, expected = gpu.run(packed, layout), cpu.run(packed, layout)
        assert found.keys() == expected.keys()
        for name, image in found.items():
            assert np.isfinite(image).all()
            assert np.median(np.abs(image - expected[name]) / np.abs(expected[name])) < 0.05
    gpu.close()


@needs_torch
@needs_cuda
def test_cuda_agrees_with_the_cpu_on_frames(tmp_path):
    """A graph with a frame and one without take turns; a frame that is missing in part is NaN."""
    from kit import checkpoints
    from spike_depth_ros.runtime.torch import TorchBackend

    loaded = load(checkpoints.checkpoint(tmp_path / 'fused.safetensors', 'fused'), SpikeInfo)
    info = loaded[0]
    layout = Layout(Geometry(96, 128), info.planes, info.bins, pool=info.pool)
    gpu, cpu = (TorchBackend(*loaded, device) for device in ('cuda', 'cpu'))
    generator = np.random.default_rng(0)
    for _ in range(3):
        packed = packing.pack(generator.random((info.planes, 96, 128)) < 0.2)
        frame = generator.random((3, *layout.input_size), dtype=np.float32)
        frame[:, :, : layout.input_size[1] // 4] = np.nan
        for given_frame in (frame, None):
            found, expected = (one.run(packed, layout, given_frame) for one in (gpu, cpu))
            for name, image in found.items():
                assert np.isfinite(image).all()
                assert np.median(np.abs(image - expected[name]) / np.abs(expected[name])) < 0.05
    gpu.close()


@needs_torch
@needs_cuda
def test_two_threads_capture_graphs_at_once():
    """Depth and previews have threads of their own, whose first windows may come together."""
    from spike_depth_ros.runtime.torch import TorchBackend

    models = 'unet_lite', 'recon_lite'
    networks = {name: load(find_checkpoint(name), SpikeInfo) for name in models}
    runners = {name: TorchBackend(*loaded, 'cuda') for name, loaded in networks.items()}
    spikes = np.random.default_rng(0).random((128, 64, 96)) < 0.2
    together = threading.Barrier(len(runners))
    results = []

    def capture(name):
        info = networks[name][0]
        for width in (48, 64, 96):
            packed = packing.pack(spikes[: info.planes, :, :width])
            pool = getattr(info, 'pool', 1)
            layout = Layout(Geometry(64, width), len(packed), info.bins, pool=pool)
            together.wait(60)
            results.append((name, packed, layout, runners[name].run(packed, layout)))

    with ThreadPoolExecutor(len(runners)) as pool:
        for task in [pool.submit(capture, name) for name in runners]:
            task.result(60)
    for name, packed, layout, images in results:
        again = runners[name].run(packed, layout)
        for output, image in images.items():
            np.testing.assert_array_equal(again[output], image)


@needs_torch
@needs_cuda
def test_a_captured_graph_keeps_what_it_reads():
    """Memory that nobody keeps is given to others, whose numbers the graph would then read."""
    import torch

    from spike_depth_ros.runtime.torch import TorchBackend

    info, tensors = load(default_checkpoint())
    backend = TorchBackend(info, tensors, 'cuda')
    generator = np.random.default_rng(0)
    windows = {}
    for planes in (64, 100, 128):
        layout = Layout(Geometry(32, 48), planes, info.bins, 1, info.pool)
        packed = packing.pack(generator.random((planes, 32, 48)) < 0.2)
        windows[layout] = packed, backend.run(packed, layout)['depth']
        # In every size that may have been let go.
        litter = [torch.full((1 << k,), torch.nan, device='cuda') for k in range(20)]
        for seen, (planes_seen, depth) in windows.items():
            np.testing.assert_array_equal(backend.run(planes_seen, seen)['depth'], depth)
        del litter
    backend.close()
