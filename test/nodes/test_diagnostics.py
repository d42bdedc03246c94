# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from kit.streams import RATE_UNKNOWN, SETTINGS, camera_info, packet
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.nodes.parts import diagnostics
from spike_depth_ros.nodes.parts.diagnostic_values import Values
from spike_depth_ros.nodes.parts.inference import Inference
from spike_depth_ros.nodes.parts.losses import ActiveRemedies
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.ingest import Ingest
from spike_depth_ros.stream.window import Window

ACTIVE = ActiveRemedies(reliable=True, profile=True)


@pytest.fixture
def ingest():
    made = Ingest(SETTINGS, {}.setdefault)
    made.on_camera_info(camera_info())
    return made


def test_the_worst_finding_gives_the_level():
    builder = diagnostics.StatusBuilder('fine')
    assert builder.status('n', 'h', {}).message == 'fine'
    builder.error('broken')
    builder.warn('odd')
    status = builder.status('n', 'h', {'a': 1.0, 'b': 'x'})
    assert status.level == DiagnosticStatus.ERROR
    assert status.message == 'broken; odd'
    assert Values.of(status) == {'a': '1', 'b': 'x'}


def test_a_stream_with_losses_is_a_warning_once(ingest):
    task = diagnostics.StreamTask(60.0, ACTIVE)
    ingest.on_spikes(packet(0))
    assert task.status('n', ingest).level == DiagnosticStatus.OK
    ingest.on_spikes(packet(8))
    bad = packet(12)
    bad.encoding = 'x'
    ingest.on_spikes(bad)
    ingest.ring.settle()
    status = task.status('n', ingest)
    assert status.level == DiagnosticStatus.WARN
    lost, refused, packets = status.message.split('; ')
    assert lost.startswith('4 planes lost before the queue of this node')
    assert refused.startswith('4 planes refused (gap)')
    assert packets == '1 packets refused'
    seen = Values.of(status)
    assert (seen['planes_lost_in_transport'], seen['planes_refused_gap']) == ('4', '4')
    assert (seen['packets_refused_format'], seen['gaps']) == ('1', '1')
    assert (seen['sensor'], seen['plane_rate_hz']) == ('13x5 little', '20000')
    assert (seen['policy'], seen['window_planes'], seen['hop_planes']) == ('every', '8', '8')
    assert task.status('n', ingest).level == DiagnosticStatus.OK


def test_packets_without_a_sensor_size_are_explained():
    ingest = Ingest(SETTINGS, {}.setdefault)
    ingest.on_spikes(packet(0))
    status = diagnostics.StreamTask(60.0, ACTIVE).status('n', ingest)
    assert status.level == DiagnosticStatus.WARN
    assert 'publish camera_info beside the spikes' in status.message


def test_planes_that_wait_for_the_rate_are_reported():
    ingest = Ingest(RATE_UNKNOWN, {}.setdefault)
    for first in (0, 4, 12):
        ingest.on_spikes(packet(first))
    task = diagnostics.StreamTask(60.0, ACTIVE)
    status = task.status('n', ingest)
    assert status.message == (
        'plane rate unknown, as stamps do not agree yet: wait, or set spike_rate_hz'
    )
    seen = Values.of(status)
    assert (seen['sensor'], seen['plane_rate_hz']) == ('13x5 little', '0')
    assert (seen['planes_received'], seen['planes_pending']) == ('12', '12')
    for first in (16, 20):
        ingest.on_spikes(packet(first))
    assert Values.of(task.status('n', ingest))['plane_rate_hz'] == '20000'


def test_stamps_that_contradict_the_rate_that_was_set_are_reported(ingest):
    for step in range(40):
        ingest.on_spikes(packet(8 * step))
    status = diagnostics.StreamTask(60.0, ACTIVE).status('n', ingest)
    assert 'the stamps have 10000.0 planes/s' in status.message


def test_a_size_or_matrix_that_is_not_used_is_reported(ingest):
    task = diagnostics.StreamTask(60.0, ACTIVE)
    ingest.on_spikes(packet(0, 8))
    ingest.ring.take()
    ingest.on_camera_info(camera_info(fx=-1.0))
    status = task.status('n', ingest)
    assert status.level == DiagnosticStatus.WARN
    assert 'focal lengths -1 and -1 in K' in status.message
    ingest.on_camera_info(camera_info(height=1))
    status = task.status('n', ingest)
    assert status.level == DiagnosticStatus.ERROR
    assert 'size 13x1, expected 13x5' in status.message
    assert Values.of(status).count('camera_info_refused') == 2


def test_silence_is_an_error(ingest):
    task = diagnostics.StreamTask(0.0, ACTIVE)
    status = task.status('n', ingest)
    assert status.level == DiagnosticStatus.ERROR
    assert 'start or restart the publisher' in status.message


class Nowhere:
    """Outputs for a thread that is never started."""


def test_failures_and_an_unknown_scale_are_reported(ingest):
    estimator = DepthEstimator.from_checkpoint()
    inference = Inference(estimator, ingest, Nowhere(), {}.setdefault)
    task = diagnostics.InferenceTask()
    assert task.status('n', 'h', inference).level == DiagnosticStatus.OK
    assert 'colour_near_m' not in Values.of(task.status('n', 'h', inference))
    values = Values.of(task.status('n', 'h', inference, (0.8, 6.25)))
    assert (values['colour_near_m'], values['colour_far_m']) == ('0.8', '6.25')
    inference.failures = inference.failures_in_row = diagnostics.FAILURES_FOR_ERROR
    assert task.status('n', 'h', inference).level == DiagnosticStatus.ERROR
    inference.last = estimator.predict(
        Observation(Window.from_planes(np.ones((128, 32, 32)), 20_000))
    )
    status = diagnostics.model_status('n', 'h', estimator, inference.last)
    assert 'focal length unknown' in status.message
    seen = Values.of(status)
    assert seen['scale'] == 'assumed'
    assert seen['weights_sha256'] == estimator.info.weights_sha256
    assert float(seen['uncertainty_m_median']) >= 0
    problem = diagnostics.model_status('n', 'h', estimator, inference.last, 'not loaded')
    assert problem.level == DiagnosticStatus.ERROR


def test_the_account_is_read_back_as_it_was_published(ingest):
    task = diagnostics.StreamTask(60.0, ACTIVE)
    for first in (0, 8, 12, 16, 20, 24, 28, 12):
        ingest.on_spikes(packet(first))
    ingest.on_spikes(packet(48), 'resubscribing')
    for first in (52, 56, 60, 64):
        ingest.on_spikes(packet(first))
    read = Values.of(task.status('n', ingest)).accounting()
    assert read == ingest.accounting()
    assert read.missed_resubscribing > 0
    assert read.refused['backward'] == 4


def test_the_keys_of_a_stream_have_an_order(ingest):
    ingest.on_spikes(packet(0))
    ingest.on_spikes(packet(0))
    values = Values.of(diagnostics.StreamTask(60.0, ACTIVE).status('n', ingest))
    assert ' '.join(values) == (
        'policy window_planes hop_planes planes_per_s sensor plane_rate_hz planes_expected '
        'planes_received planes_lost_in_transport planes_lost_in_queue '
        'planes_missed_resubscribing planes_windowed planes_skipped_by_policy planes_overwritten '
        'planes_refused planes_refused_backward planes_pending planes_dropped gaps restarts '
        'packets_refused'
    )


@pytest.mark.parametrize('text', ['many', '', 'nan', 'inf', '-3'])
def test_a_counter_that_is_no_count_is_read_as_0(text):
    read = Values({'planes_received': text, 'planes_refused_gap': text, 'gaps': '2'})
    accounting = read.accounting()
    assert (accounting.received, accounting.refused, accounting.gaps) == (0, {'gap': 0}, 2)
