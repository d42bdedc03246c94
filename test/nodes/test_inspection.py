# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import os
import signal

import numpy as np
import pytest
import yaml
from PIL import Image as Picture

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Log, SetParametersResult
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from spike_depth_ros.nodes.inspection import parameter_value
from spike_depth_ros.nodes.inspection_topics import LONGEST, plain, png_pixels, rate_text
from spike_depth_ros.nodes.process import UserError

pytestmark = pytest.mark.dds

METRES = np.array([[np.nan, -np.inf, np.inf], [1.2346, 65.0, 70.0]], np.float32)


def image(pixels, encoding):
    height, width = pixels.shape
    return Image(
        height=height,
        width=width,
        encoding=encoding,
        step=width * pixels.itemsize,
        data=pixels.tobytes(),
    )


@pytest.fixture
def inspect_all(processes, spin):
    """Run several spike_inspect at once while the test's own node goes on.

    Returns the status and the output of each.
    """

    def run(*commands, timeout=20, **options):
        names = [f'inspect {number}' for number in range(len(commands))]
        running = [
            processes.start('inspection', *command, '--timeout', timeout, name=name, **options)
            for name, command in zip(names, commands, strict=True)
        ]
        spin(lambda: all(each.poll() is not None for each in running), 90, 'the end of all')
        return [processes.finish(name) for name in names]

    return run


@pytest.fixture
def inspect(inspect_all):
    """Run one spike_inspect; its status and its output."""
    return lambda *command: inspect_all(command)[0]


@pytest.fixture
def publish(ros_node):
    """Publish a message again and again on a topic."""

    def start(message, topic, period_s=0.02, qos=10):
        publisher = ros_node.create_publisher(type(message), topic, qos)
        ros_node.create_timer(period_s, lambda: publisher.publish(message))

    return start


@pytest.fixture
def depth_node(processes, depth_parameters):
    """A depth node that is not yet configured."""
    processes.start('depth', *depth_parameters(autostart=False))


# Topics


def test_topics_have_types_counts_and_rates(inspect, publish, ros_node):
    publish(CameraInfo(), 'camera/info')
    ros_node.create_subscription(Image, 'wanted', lambda _: None, 10)
    status, output = inspect('topics', '--seconds', 4)
    assert status == 0, output
    rows = {row[0]: row[1:] for row in map(str.split, output.splitlines())}
    kind, publishers, subscribers, rate, unit = rows['/camera/info']
    assert (kind, publishers, subscribers, unit) == ('sensor_msgs/msg/CameraInfo', '1', '0', 'Hz')
    assert float(rate) > 0
    assert rows['/wanted'] == ['sensor_msgs/msg/Image', '0', '1']


@pytest.mark.parametrize(
    ('times', 'text'),
    [([], '0 received'), ([5.0], '1 received'), ([5.0, 5.0], '2 received'), ([5, 6, 9], '0.5 Hz')],
)
def test_a_rate_is_that_between_the_first_and_the_last_message(times, text):
    assert rate_text(times) == text


def test_echo_prints_messages_with_long_arrays_shortened(inspect, publish):
    publish(image(np.zeros((20, 30), np.uint8), 'mono8'), 'camera/image')
    status, output = inspect('echo', 'camera/image', '--count', 2)
    assert status == 0, output
    first, second, rest = yaml.safe_load_all(output)
    assert first == second
    assert rest is None
    assert (first['height'], first['width'], first['encoding']) == (20, 30, 'mono8')
    assert first['data'] == [0] * LONGEST + [f'and {600 - LONGEST} more']


def test_echo_has_what_was_sent_before(inspect, ros_node):
    kept = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    ros_node.create_publisher(Log, 'kept', kept).publish(Log(msg='sent once'))
    status, output = inspect('echo', '/kept')
    assert status == 0, output
    assert next(yaml.safe_load_all(output))['msg'] == 'sent once'


def test_a_message_is_converted_to_plain_values():
    message = DiagnosticArray(status=[DiagnosticStatus(level=b'\x02', name='a: b')])
    assert plain(message)['status'][0] | {'values': None} == {
        'level': 2,
        'name': 'a: b',
        'message': '',
        'hardware_id': '',
        'values': None,
    }
    assert plain(CameraInfo(k=np.arange(9.0)))['k'] == list(range(9))


@pytest.mark.parametrize(
    ('pixels', 'encoding', 'stored'),
    [
        (METRES, '32FC1', [[0, 0, 65535], [1235, 65000, 65535]]),
        (np.array([[0, 255]], np.uint8), 'mono8', [[0, 255]]),
    ],
)
def test_an_image_is_saved_as_png(inspect, publish, tmp_path, pixels, encoding, stored):
    publish(image(pixels, encoding), 'depth/image')
    status, output = inspect('save', 'depth/image', tmp_path / 'a.png')
    assert status == 0, output
    with Picture.open(tmp_path / 'a.png') as picture:
        assert picture.mode == ('I;16' if encoding == '32FC1' else 'L')
        assert np.asarray(picture).tolist() == stored


def test_an_image_is_saved_as_npy(inspect, publish, tmp_path):
    publish(image(METRES, '32FC1'), 'depth/image')
    status, output = inspect('save', 'depth/image', tmp_path / 'a.npy')
    assert status == 0, output
    np.testing.assert_array_equal(np.load(tmp_path / 'a.npy'), METRES)


def test_millimetres_are_stored_as_they_are():
    pixels = np.array([[0, 65535]], np.uint16)
    assert png_pixels(pixels, '16UC1') is pixels
    with pytest.raises(UserError, match="encoding 'rgb8' is not saved"):
        png_pixels(np.zeros((2, 2, 3), np.uint8), 'rgb8')


def test_what_cannot_be_saved_gets_one_line(inspect_all, publish, tmp_path):
    publish(CameraInfo(), 'camera_info')
    short = image(np.zeros((2, 2), np.uint8), 'mono8')
    short.data = b'\x00'
    publish(short, 'short')
    publish(image(np.zeros((2, 2), np.uint8), 'mono8'), 'good')
    results = inspect_all(
        ['save', 'camera_info', tmp_path / 'a.png'],
        ['save', 'camera_info', tmp_path / 'a.jpg'],
        ['save', 'short', tmp_path / 'a.png'],
        ['save', 'good', tmp_path / 'absent' / 'a.png'],
    )
    assert_one_line(results[0], '/camera_info is sensor_msgs/msg/CameraInfo; expected sensor_msgs')
    assert_one_line(results[1], 'a.jpg: expected a name that ends in .png or .npy')
    assert_one_line(results[2], "/short: not a valid 'mono8' image")
    assert_one_line(results[3], 'absent/a.png: No such file or directory')
    assert not list(tmp_path.glob('a.*'))


def test_what_is_absent_gets_one_line(inspect_all, publish, ros_node):
    publish(CameraInfo(), 'camera_info')
    ros_node.create_publisher(Image, 'silent', 10)
    ros_node.create_subscription(Image, 'wanted', lambda _: None, 10)
    results = inspect_all(
        ['echo', 'camera_inf'],
        ['echo', 'silent'],
        ['echo', 'wanted'],
        ['echo', 'a b'],
        ['get', 'tes'],
        ['lifecycle', 'test'],
        timeout=6,
    )
    problems = (
        'no topic /camera_inf within 6 s; the nearest known is /camera_info',
        'no message on /silent within 6 s',
        'no node published /wanted within 6 s',
        'a b: failed to resolve name',
        'no node /tes within 6 s; the nearest known is /test',
        'no service /test/get_state; expected a lifecycle node',
    )
    for result, problem in zip(results, problems, strict=True):
        assert_one_line(result, problem)


def test_an_empty_domain_is_named_as_a_cause(inspect_all):
    empty = {**os.environ, 'ROS_DOMAIN_ID': '100'}
    cause = 'use the ROS_DOMAIN_ID and the DDS profile of the other nodes'
    for command in (['topics'], ['echo', 'a'], ['get', 'a']):
        assert_one_line(*inspect_all(command, timeout=0.5, env=empty), cause)
    silent = 'no message on /diagnostics within 0.5 s'
    assert_one_line(*inspect_all(['diagnostics'], timeout=0.5, env=empty), silent)


# Parameters and states


def test_parameters_are_read_and_set(inspect, depth_node):
    status, output = inspect('get', 'spike_depth')
    assert status == 0, output
    values = yaml.safe_load(output)
    assert values['uncertainty.max_relative'] == 0.0
    assert values['device'] == 'auto'
    assert inspect('set', 'spike_depth', 'uncertainty.max_relative', '0.5') == (
        0,
        'uncertainty.max_relative: 0.5\n',
    )
    assert inspect('get', '/spike_depth', 'uncertainty.max_relative') == (
        0,
        'uncertainty.max_relative: 0.5\n',
    )
    assert_one_line(inspect('get', 'spike_depth', 'absent'), 'has no parameter absent')
    refused = "refused device: device is 'tpu'; expected one of auto, cpu, cuda"
    assert_one_line(inspect('set', 'spike_depth', 'device', 'tpu'), refused)


@pytest.mark.parametrize(
    ('text', 'value'),
    [('true', True), ('-3', -3), ('1e-1', '1e-1'), ('0.1', 0.1), ('', ''), ('[1, 2]', [1, 2])],
)
def test_a_parameter_is_parsed_as_yaml(text, value):
    assert parameter_value_to_python(parameter_value(text)) == value


@pytest.mark.parametrize('text', ['{a: 1}', '2026-01-01', str(2**63), f'[{2**63}]', '"a'])
def test_what_is_no_parameter_is_refused(text):
    with pytest.raises(UserError):
        parameter_value(text)


def test_a_refusal_is_printed_as_one_line(inspect, ros_node):
    ros_node.declare_parameter('a', 1)
    refusal = SetParametersResult(successful=False, reason='not\n\x1b[2Jnow')
    ros_node.add_on_set_parameters_callback(lambda changes: refusal)
    assert_one_line(inspect('set', 'test', 'a', '2'), '/test refused a: not  [2Jnow')


def test_the_state_of_a_node_is_read_and_changed(inspect, depth_node):
    assert inspect('lifecycle', 'spike_depth') == (0, 'unconfigured\n')
    refused = '/spike_depth is unconfigured: activate is not possible, only configure, shutdown'
    assert_one_line(inspect('lifecycle', 'spike_depth', 'activate'), refused)
    assert inspect('lifecycle', 'spike_depth', 'configure') == (0, 'unconfigured -> inactive\n')
    assert inspect('lifecycle', 'spike_depth', 'cleanup') == (0, 'inactive -> unconfigured\n')
    assert inspect('set', 'spike_depth', 'checkpoint', 'absent.safetensors')[0] == 0
    failed = 'configure failed, /spike_depth is unconfigured: its log has the reason'
    assert_one_line(inspect('lifecycle', 'spike_depth', 'configure'), failed)
    assert inspect('lifecycle', 'spike_depth', 'shutdown') == (0, 'unconfigured -> finalized\n')


# Diagnostics


def status_of(name, level, message):
    return DiagnosticArray(status=[DiagnosticStatus(name=name, level=level, message=message)])


def test_diagnostics_are_a_table_with_the_worst_first(inspect, publish):
    publish(status_of('a: stream', DiagnosticStatus.OK, 'planes arrive'), '/diagnostics')
    publish(status_of('b: model', DiagnosticStatus.ERROR, 'no [model]\x1b[2J'), '/diagnostics')
    status, output = inspect('diagnostics', '--seconds', 1)
    assert status == 0
    header, *rows = output.splitlines()
    assert header.split() == ['level', 'status', 'message']
    assert [row.split() for row in rows] == [
        ['ERROR', 'b:', 'model', 'no', '[model]', '[2J'],
        ['OK', 'a:', 'stream', 'planes', 'arrive'],
    ]


def test_watching_diagnostics_ends_by_an_interrupt(processes, publish, spin, ros_node):
    publish(status_of('a: stream', DiagnosticStatus.OK, 'planes arrive'), '/diagnostics')
    processes.start('inspection', 'diagnostics', '--watch')
    spin(lambda: ros_node.count_subscribers('/diagnostics'), what='a subscriber')
    processes.stop('inspection', signal.SIGINT)  # asserts that the status is 0


def assert_one_line(result, problem):
    status, output = result
    assert (status, output.count('\n')) == (1, 1), output
    assert problem in output
