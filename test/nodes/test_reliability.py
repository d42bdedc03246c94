# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spikes are subscribed as reliably as they are published, and no plane is lost uncounted."""

import re
import time

import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image

from kit.nodes import (
    PERIOD,
    SENSOR,
    Driver,
    assert_balanced,
    change_state,
    save_bars,
    set_parameter,
)
from spike_depth_ros.stream import decode

pytestmark = pytest.mark.dds

RELIABLE, BEST_EFFORT = QoSReliabilityPolicy.RELIABLE, QoSReliabilityPolicy.BEST_EFFORT
EVERY = {'policy': 'every', 'window': 40, **SENSOR}


@pytest.fixture
def subscribed(ros_node):
    """How the depth node subscribes to spikes."""

    def reliabilities():
        found = ros_node.get_subscriptions_info_by_topic('/spikes')
        return [one.qos_profile.reliability for one in found]

    return reliabilities


@pytest.fixture
def driver(ros_node, processes):
    """Driver whose publisher can be replaced by one of another reliability; stamps go on."""

    class ChangingDriver(Driver):
        def __init__(self):
            super().__init__(ros_node)
            self.sent = 0

        def offer(self, reliability, packets=0):
            """Replace the publisher; its first packets go before the node can subscribe."""
            ros_node.destroy_publisher(self.publisher)
            qos = QoSProfile(depth=100, reliability=reliability)
            with processes.paused('depth'):
                self.publisher = ros_node.create_publisher(Image, 'spikes', qos)
                self.send_next(packets)

        def send_next(self, packets=1):
            for _ in range(packets):
                self.send(self.sent)
                self.sent += 40

        def send_until(self, spin, condition, what):
            """Send before each look: a subscription misses what precedes its discovery.

            Slowly, as a best-effort one loses what a busy machine does not take in time.
            """

            def sent_and_true():
                self.send_next()
                time.sleep(0.05)
                return condition()

            spin(sent_and_true, what=what)

    return ChangingDriver()


def played(play, spin, listener, tmp_path, reliability):
    """Play 4000 planes to a node that was started with the default reliability."""
    path = save_bars(tmp_path / 'bars.npz')
    # Depth of a fifth of a second is not seen by who has not found its publisher yet.
    spin(lambda: 'reliability' in listener.values('stream'), what='diagnostics')
    sent = play(path, '--loop', '--planes', 4000, '--reliability', reliability)
    assert sent['planes_sent'] == 4000
    spin(lambda: listener.count('planes_expected') == 4000, what='the accounting')
    assert_balanced(listener.accounting(), sent=4000)
    spin(lambda: listener.depth, what='depth')
    assert 'offers other QoS' not in listener.status['stream'].message


def test_a_reliable_player_gets_a_reliable_subscription(
    play, processes, depth_parameters, listener, spin, tmp_path
):
    processes.start('depth', *depth_parameters())
    spin(lambda: 'reliability' in listener.values('stream'), what='diagnostics')
    assert listener.values('stream')['reliability'] == 'best_effort'  # no publisher yet
    played(play, spin, listener, tmp_path, 'reliable')
    assert listener.values('stream')['reliability'] == 'reliable'
    assert listener.values('stream')['resubscriptions'] == '1'
    assert listener.count('planes_dropped') == 0


def test_a_best_effort_driver_gives_depth_without_a_setting(
    play, processes, depth_parameters, listener, spin, tmp_path
):
    processes.start('depth', *depth_parameters())
    played(play, spin, listener, tmp_path, 'best_effort')
    assert 'set spikes.reliability to auto' not in processes.log('depth')  # it is
    assert listener.values('stream')['reliability'] == 'best_effort'
    assert listener.values('stream')['resubscriptions'] == '0'


def test_a_driver_that_changes_its_reliability_loses_nothing_uncounted(
    depth_node, listener, spin, driver, subscribed
):
    depth_node(spikes__reliability='auto', **EVERY)
    spin(lambda: RELIABLE in subscribed(), what='a reliable subscription')
    driver.connect(spin)
    driver.send_next(10)
    spin(lambda: len(listener.depth) == 10, what='depth of a reliable driver')

    driver.offer(BEST_EFFORT, packets=3)  # no reliable subscription receives these
    driver.connect(spin)  # once the node subscribes best effort
    driver.send_until(spin, lambda: listener.count('planes_expected') > 400, 'its packets')
    text = r'([0-9]+) planes missed while this node subscribed again'

    def report():
        return re.search(text, listener.status['stream'].message)

    driver.send_until(spin, report, 'the report')
    assert int(report()[1]) >= 3 * 40
    spin(lambda: listener.count('planes_expected') == driver.sent, what='the accounting')
    assert_balanced(listener.accounting(), sent=driver.sent)
    missed = listener.count('planes_missed_resubscribing')
    assert missed >= 3 * 40
    assert listener.count('planes_dropped') == missed
    spin(lambda: listener.count('planes_windowed') == driver.sent - missed, what='the windows')

    driver.offer(RELIABLE)
    driver.connect(spin)
    spin(lambda: 40 * len(listener.depth) == driver.sent - missed, what='all depth images')
    before = len(listener.depth)

    def sending_until_reliable():
        if 40 * len(listener.depth) > driver.sent - 1000:  # inference keeps up
            driver.send_next()
        return listener.values('stream')['reliability'] == 'reliable'

    spin(sending_until_reliable, what='a reliable subscription again')
    driver.send_next(10)
    spin(lambda: listener.count('planes_expected') == driver.sent, what='the accounting')
    assert_balanced(listener.accounting(), sent=driver.sent)
    spin(lambda: len(listener.depth) > before, what='depth by the new publisher')
    # A best-effort subscription misses what comes before it has found the new publisher.
    last, first = (decode.stamp_ns(one.header.stamp) for one in listener.depth[before - 1 :][:2])
    dropped = missed + (first - last) // PERIOD - 40
    assert listener.count('planes_dropped') == dropped
    spin(lambda: listener.count('planes_windowed') == driver.sent - dropped, what='the windows')
    spin(lambda: subscribed() == [RELIABLE], what='the end of the old subscription')


def test_a_second_publisher_changes_the_subscription_if_it_is_best_effort(
    ros_node, depth_node, listener, spin, driver, subscribed
):
    depth_node(spikes__reliability='auto', **EVERY)
    spin(lambda: RELIABLE in subscribed(), what='a reliable subscription')
    spin(lambda: listener.values('stream').get('reliability') == 'reliable', what='the report')
    before = listener.values('stream')['resubscriptions']
    same = ros_node.create_publisher(Image, 'spikes', QoSProfile(depth=10))
    spin(lambda: '2 publishers of spikes' in listener.status['stream'].message, what='both')
    reports = []
    ros_node.create_timer(1.0, lambda: reports.append(1))  # five looks at the publishers
    spin(lambda: reports, what='a second')
    assert listener.values('stream')['resubscriptions'] == before
    assert 'differ in reliability' not in listener.status['stream'].message
    ros_node.destroy_publisher(same)

    other = rclpy.create_node('cheap_driver')
    try:
        other.create_publisher(Image, 'spikes', QoSProfile(depth=10, reliability=BEST_EFFORT))
        text = 'subscribed best effort because of /cheap_driver; make every publisher reliable'
        spin(lambda: text in listener.status['stream'].message, what='the report')
        spin(lambda: BEST_EFFORT in subscribed(), what='a best-effort subscription')
        driver.connect(spin)
        driver.send_until(spin, lambda: len(listener.depth) > 4, 'depth')
        spin(lambda: subscribed() == [BEST_EFFORT], what='the end of the reliable one')
    finally:
        other.destroy_node()
    spin(lambda: RELIABLE in subscribed(), what='a reliable subscription again')
    spin(lambda: 'differ' not in listener.status['stream'].message, what='the end of the report')


def test_a_qos_override_goes_before_the_publishers(depth_node, listener, spin, driver, subscribed):
    override = {'qos_overrides./spikes.subscription.reliability': 'best_effort'}
    depth_node(spikes__reliability='auto', **EVERY, **override)
    driver.connect(spin)
    driver.send_until(spin, lambda: len(listener.depth) > 4, 'depth')
    assert subscribed() == [BEST_EFFORT]
    assert listener.values('stream')['reliability'] == 'best_effort'


def test_another_reliability_holds_once_the_node_is_configured_again(
    ros_node, depth_node, spin, driver, subscribed
):
    depth_node(spikes__reliability='reliable', **EVERY)
    spin(lambda: subscribed() == [RELIABLE], what='a reliable subscription')
    assert change_state(ros_node, spin, Transition.TRANSITION_DEACTIVATE)
    assert change_state(ros_node, spin, Transition.TRANSITION_CLEANUP)
    assert set_parameter(ros_node, spin, 'spikes.reliability', 'best_effort').successful
    assert change_state(ros_node, spin, Transition.TRANSITION_CONFIGURE)
    assert change_state(ros_node, spin, Transition.TRANSITION_ACTIVATE)
    spin(lambda: subscribed() == [BEST_EFFORT], what='a best-effort subscription')
