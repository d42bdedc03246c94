# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import copy
import functools
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from PIL import Image as Picture
from rcl_interfaces.msg import Log, SetParametersResult
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image

from kit import bags
from spike_depth_ros.base import cli
from spike_depth_ros.io.arrays import read_depth
from spike_depth_ros.nodes import inspection
from spike_depth_ros.nodes.inspection import COMMANDS, parameter_value
from spike_depth_ros.nodes.parts.graph import Graph
from spike_depth_ros.nodes.parts.inspection_topics import LONGEST, plain, png_pixels, rate_text
from spike_depth_ros.nodes.parts.process import UserError

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


def inspected(timeout, command):
    """Run a command of spike_inspect by a node of its own; the text of its error, else nothing."""
    name, *given = map(str, command)
    kind, function = COMMANDS[name]
    options = cli.options(kind, 'spike_inspect', [*given, '--timeout', str(timeout)])
    graph = Graph()
    try:
        assert function(graph, options) == 0
    except UserError as error:
        return str(error)
    finally:
        graph.close()
        graph.destroy_node()


@pytest.fixture
def errors_of(ros_node, spin):
    """Run commands of spike_inspect at once while the test's own node goes on; their errors."""

    def run(*commands, timeout=20):
        with ThreadPoolExecutor() as pool:
            running = [pool.submit(inspected, timeout, command) for command in commands]
            spin(lambda: all(each.done() for each in running), 90, 'the end of all')
        return [each.result() for each in running]

    return run


@pytest.fixture
def inspect(errors_of, capsys):
    """Run one command of spike_inspect, which succeeds; its output."""

    def run(*command):
        assert errors_of(command) == [None]
        return capsys.readouterr().out

    return run


@pytest.fixture
def inspect_outside(processes, spin):
    """Run the console script, by a process; its status and its output."""

    def run(*command):
        process = processes.start('inspection', *command, '--timeout', 20)
        spin(lambda: process.poll() is not None, 90, 'the end')
        return processes.finish('inspection')

    return run


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


def test_topics_have_types_counts_and_rates(inspect_outside, publish, ros_node):
    publish(CameraInfo(), 'camera/info')
    ros_node.create_subscription(Image, 'wanted', lambda _: None, 10)
    status, output = inspect_outside('topics', '--seconds', 4)
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
    first, second, rest = yaml.safe_load_all(inspect('echo', 'camera/image', '--count', 2))
    assert first == second
    assert rest is None
    assert (first['height'], first['width'], first['encoding']) == (20, 30, 'mono8')
    assert first['data'] == [0] * LONGEST + [f'and {600 - LONGEST} more']


def test_echo_has_what_was_sent_before(inspect, ros_node):
    kept = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
    ros_node.create_publisher(Log, 'kept', kept).publish(Log(msg='sent once'))
    assert next(yaml.safe_load_all(inspect('echo', '/kept')))['msg'] == 'sent once'


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
    inspect('save', 'depth/image', tmp_path / 'a.png')
    with Picture.open(tmp_path / 'a.png') as picture:
        assert picture.mode == ('I;16' if encoding == '32FC1' else 'L')
        assert np.asarray(picture).tolist() == stored
        # What is beyond the range is told from the 65535 of others, which is unknown.
        text = {'spike_depth_ros': '65535 is beyond the range'} if encoding == '32FC1' else {}
        assert picture.text == text
    if encoding == '32FC1':
        beyond = [[np.nan, np.nan, np.inf], [1.235, 65.0, np.inf]]
        np.testing.assert_allclose(read_depth(tmp_path / 'a.png', 1000), beyond, rtol=1e-6)


def test_an_image_is_saved_as_npy(inspect, publish, tmp_path):
    publish(image(METRES, '32FC1'), 'depth/image')
    inspect('save', 'depth/image', tmp_path / 'a.npy')
    np.testing.assert_array_equal(np.load(tmp_path / 'a.npy'), METRES)


def test_an_existing_file_is_replaced_only_with_overwrite(inspect, errors_of, publish, tmp_path):
    publish(image(METRES, '32FC1'), 'depth/image')
    file = tmp_path / 'spikes.npy'
    np.save(file, np.ones((4, 8, 8), bool))  # a recording
    before = file.read_bytes()
    (tmp_path / 'link.npy').symlink_to(file)
    errors = errors_of(
        ['save', 'depth/image', file],
        ['save', 'depth/image', tmp_path / 'link.npy', '--overwrite'],
    )
    assert_one_line_each(errors, ('npy: exists: choose another name', 'npy: is a link, a folder'))
    assert file.read_bytes() == before
    inspect('save', 'depth/image', file, '--overwrite')
    np.testing.assert_array_equal(np.load(file), METRES)
    assert {path.name for path in tmp_path.iterdir()} == {'spikes.npy', 'link.npy'}


def test_millimetres_are_stored_as_they_are():
    pixels = np.array([[0, 65535]], np.uint16)
    assert png_pixels(pixels, '16UC1') is pixels
    with pytest.raises(UserError, match="encoding 'rgb8' is not saved"):
        png_pixels(np.zeros((2, 2, 3), np.uint8), 'rgb8')


def test_what_cannot_be_asked_is_refused(refusals, errors_of, publish, ros_node, tmp_path):
    publish(CameraInfo(), 'camera_info')
    grey = image(np.zeros((2, 2), np.uint8), 'mono8')
    short = copy.deepcopy(grey)
    short.data = b'\x00'
    publish(short, 'short')
    publish(grey, 'good')
    ros_node.create_publisher(Image, 'silent', 10)
    ros_node.create_subscription(Image, 'wanted', lambda _: None, 10)
    out, away = tmp_path / 'a.png', tmp_path / 'absent' / 'a.png'
    wrong = {
        'no image': ('/camera_info', ('save', 'camera_info', out)),
        'another kind of file': ('a.jpg', ('save', 'camera_info', tmp_path / 'a.jpg')),
        'a byte of an image': ('/short', ('save', 'short', out)),
        'no folder': ('absent', ('save', 'good', away)),
        'no such topic': ('/camera_inf', ('echo', 'camera_inf')),
        'no message': ('/silent', ('echo', 'silent')),
        'no publisher': ('/wanted', ('echo', 'wanted')),
        'no name of a topic': ('a b', ('echo', 'a b')),
        'no such node': ('/tes', ('get', 'tes')),
        'no lifecycle': ('/test/get_state', ('lifecycle', 'test')),
    }
    # All at once, as some wait for what is not there.
    errors = errors_of(*(command for _, command in wrong.values()), timeout=3)
    rows = {
        name: (named, functools.partial(str, error))
        for (name, (named, _)), error in zip(wrong.items(), errors, strict=True)
    }
    of_others = {r'(resolve name:|image \()(.*)': r'\1 <why, of a library>'}
    refusals('inspect', rows, None, of_others)
    assert not list(tmp_path.glob('a.*'))


def test_an_empty_domain_is_named_as_a_cause(run_here, monkeypatch, empty_domain):
    monkeypatch.setenv('ROS_DOMAIN_ID', empty_domain)
    cause = 'use the ROS_DOMAIN_ID and the DDS profile of the other nodes'
    silent = 'no message on /diagnostics within 0.5 s'
    commands = {'topics': cause, 'echo a': cause, 'get a': cause, 'diagnostics': silent}
    for command, problem in commands.items():
        result = run_here('inspection', *command.split(), '--timeout', 0.5)
        assert_one_line(result, problem)


# Parameters and states


def test_parameters_are_read_and_set(inspect, errors_of, depth_node):
    values = yaml.safe_load(inspect('get', 'spike_depth'))
    assert values['uncertainty.max_relative'] == 0.0
    assert values['device'] == 'auto'
    name = 'uncertainty.max_relative'
    assert inspect('set', 'spike_depth', name, '0.5') == f'{name}: 0.5\n'
    assert inspect('get', '/spike_depth', name) == f'{name}: 0.5\n'
    errors = errors_of(['get', 'spike_depth', 'absent'], ['set', 'spike_depth', 'device', 'tpu'])
    refused = "refused device: device is 'tpu': expected auto or cpu or cuda"
    assert_one_line_each(errors, ('has no parameter absent', refused))


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


def test_a_parameter_that_grows_is_refused():
    repeated = ', '.join(f'&a{k} [{", ".join([f"*a{k - 1}"] * 9)}]' for k in range(1, 9))
    with pytest.raises(UserError, match='aliases expanded'):
        parameter_value(f'[&a0 [1, 1, 1, 1, 1, 1, 1, 1, 1], {repeated}]')


def test_a_refusal_is_printed_as_one_line(inspect_outside, ros_node):
    ros_node.declare_parameter('a', 1)
    refusal = SetParametersResult(successful=False, reason='not\n\x1b[2Jnow')
    ros_node.add_on_set_parameters_callback(lambda changes: refusal)
    assert_one_line(inspect_outside('set', 'test', 'a', '2'), '/test refused a: not  [2Jnow')


def test_the_state_of_a_node_is_read_and_changed(inspect, errors_of, depth_node):
    lifecycle = functools.partial(inspect, 'lifecycle', 'spike_depth')
    assert lifecycle() == 'unconfigured\n'
    refused = '/spike_depth is unconfigured: activate is not possible, only configure, shutdown'
    assert errors_of(['lifecycle', 'spike_depth', 'activate']) == [refused]
    assert lifecycle('configure') == 'unconfigured -> inactive\n'
    assert lifecycle('cleanup') == 'inactive -> unconfigured\n'
    inspect('set', 'spike_depth', 'checkpoint', 'absent.safetensors')
    failed = 'configure failed, /spike_depth is unconfigured: its log has the reason'
    assert errors_of(['lifecycle', 'spike_depth', 'configure']) == [failed]
    assert lifecycle('shutdown') == 'unconfigured -> finalized\n'


# Diagnostics


def status_of(name, level, message):
    return DiagnosticArray(status=[DiagnosticStatus(name=name, level=level, message=message)])


def test_diagnostics_are_a_table_with_the_worst_first(inspect, publish):
    publish(status_of('a: stream', DiagnosticStatus.OK, 'planes arrive'), '/diagnostics')
    publish(status_of('b: model', DiagnosticStatus.ERROR, 'no [model]\x1b[2J'), '/diagnostics')
    header, *rows = inspect('diagnostics', '--seconds', 1).splitlines()
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


def assert_one_line_each(errors, problems):
    for error, problem in zip(errors, problems, strict=True):
        assert problem in error
        assert '\n' not in error


def assert_one_line(result, problem):
    status, output = result
    assert (status, output.count('\n')) == (1, 1), output
    assert problem in output


def test_a_bag_is_shown_without_a_node(tmp_path, capsys):
    bags.write(tmp_path / 'bag', bags.stream(400))
    assert inspection.main(['spike_inspect', 'bag', str(tmp_path / 'bag')]) == 0
    assert yaml.safe_load(capsys.readouterr().out)['spikes']['planes'] == 400
    assert inspection.main(['spike_inspect', 'bag', str(tmp_path / 'none')]) == 1
    assert capsys.readouterr().err == f'spike_inspect: error: {tmp_path}/none: no such bag\n'
