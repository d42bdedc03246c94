# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages reach the reader whatever else the node does, and lost ones are attributed."""

import threading
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from std_msgs.msg import Int32

from kit.programs import wait_until
from spike_depth_ros.nodes.parts.topic_reader import (
    MOST,
    Input,
    LossAttribution,
    ReaderGroup,
    TopicReader,
)


def attributed(events, numbers):
    """Causes in front of messages with these numbers; ``events``: the event's count at each."""
    losses = LossAttribution()
    causes = []
    for number, count in zip(numbers, events, strict=True):
        event = SimpleNamespace(total_count=count)
        causes.append(losses.cause(number, lambda event=event: losses.on_message_lost(event)))
    return causes


def test_losses_are_the_transports_where_the_event_counts_them():
    assert attributed([0, 3, 3], [1, 5, 6]) == ['transport'] * 3


def test_losses_that_no_event_counts_happened_in_the_queue():
    assert attributed([0, 0, 0, 2], [1, 5, 6, 9]) == [
        'transport',
        'queue',
        'transport',
        'transport',
    ]


def test_an_event_explains_one_gap_only():
    assert attributed([0, 3, 3], [1, 5, 9]) == ['transport', 'transport', 'queue']


def test_without_numbers_or_event_losses_are_the_transports():
    assert LossAttribution().cause(None, pytest.fail) == 'transport'
    losses = LossAttribution(has_event=False)
    assert [losses.cause(number, pytest.fail) for number in (1, 9)] == ['transport'] * 2


def test_numbers_of_a_publisher_that_starts_again_are_no_loss():
    assert attributed([0, 0, 0], [700, 1, 2]) == ['transport'] * 3


@pytest.mark.parametrize(
    ('number', 'cause'),
    [(8, 'transport'), (1, 'transport'), (9, 'resubscribing'), (3, 'resubscribing')],
)
def test_what_is_missing_before_the_first_message_of_a_new_subscription(number, cause):
    before = LossAttribution()
    assert before.cause(7, pytest.fail) == 'transport'
    losses = LossAttribution(before=before)

    def lost(count):
        return lambda: losses.on_message_lost(SimpleNamespace(total_count=count))

    assert losses.cause(number, lost(5)) == cause
    # The event counted the five from before: what is missing now was overwritten in the queue.
    assert losses.cause(number + 3, lost(5)) == 'queue'


def test_without_numbers_all_that_is_missing_is_put_down_to_the_new_subscription():
    losses = LossAttribution(has_event=False, before=LossAttribution(has_event=False))
    causes = [losses.cause(None, lambda: None) for _ in range(2)]
    assert causes == ['resubscribing', 'transport']


@pytest.fixture
def topic(ros_node):
    """A publisher, and a function that starts a reader of its topic."""
    readers = []
    publisher = ros_node.create_publisher(Int32, 'numbers', QoSProfile(depth=100))

    def read(handle, failed=pytest.fail):
        readers.append(TopicReader(ros_node, [Input(subscribe(ros_node), handle)], failed))
        readers[-1].start()
        wait_until(publisher.get_subscription_count)
        return readers[-1]

    yield publisher, read
    for reader in readers:
        reader.stop()


def subscribe(node):
    return node.create_subscription(
        Int32,
        'numbers',
        lambda message: pytest.fail('an executor handled it'),
        QoSProfile(depth=100),
        callback_group=ReaderGroup(),
    )


@pytest.mark.dds
def test_messages_are_handled_while_a_callback_blocks_the_executor(ros_node, topic):
    publisher, read = topic
    seen, blocking, go_on = [], threading.Event(), threading.Event()
    read(lambda message, number: seen.append((message.data, number)))

    def block():
        blocking.set()
        assert go_on.wait(10)

    timer = ros_node.create_timer(0.001, block)
    executor = SingleThreadedExecutor()
    executor.add_node(ros_node)
    spinning = threading.Thread(target=executor.spin_once)
    spinning.start()
    assert blocking.wait(10)
    for value in range(20):
        publisher.publish(Int32(data=value))
    wait_until(lambda: len(seen) == 20)
    assert spinning.is_alive()
    assert seen == [(value, value + 1) for value in range(20)]
    timer.cancel()
    go_on.set()
    spinning.join(10)


@pytest.mark.dds
def test_a_handler_that_raises_is_reported_and_the_next_message_comes(topic):
    publisher, read = topic
    seen, texts = [], []

    def handle(message, number):
        seen.append(message.data)
        if message.data == 0:
            raise ValueError('broken')

    read(handle, lambda error, where: texts.append(f'{where}: {error}'))
    for value in range(3):
        publisher.publish(Int32(data=value))
    wait_until(lambda: len(seen) == 3)
    assert texts == ['the handler of /numbers: broken']


@pytest.mark.dds
def test_a_topic_that_is_never_empty_leaves_the_others_their_turn(ros_node):
    endless = ros_node.create_publisher(Int32, 'numbers', QoSProfile(depth=100))
    other = ros_node.create_publisher(Int32, 'other', QoSProfile(depth=100))
    subscriptions = [
        subscribe(ros_node),
        ros_node.create_subscription(
            Int32, 'other', pytest.fail, QoSProfile(depth=100), callback_group=ReaderGroup()
        ),
    ]
    wait_until(lambda: endless.get_subscription_count() and other.get_subscription_count())
    taken = threading.Event()

    def again(message, number):
        endless.publish(message)  # there is always one more
        if number == 1:
            other.publish(message)

    reader = TopicReader(
        ros_node,
        [
            Input(subscriptions[0], again),
            Input(subscriptions[1], lambda message, number: taken.set()),
        ],
        pytest.fail,
    )
    endless.publish(Int32())
    endless.publish(Int32())
    reader.start()
    assert taken.wait(10)
    reader.stop()


@pytest.mark.dds
def test_a_reader_ends_with_ros(topic):
    _, read = topic
    reader = read(lambda message, number: None)
    rclpy.shutdown()
    reader.join(10)
    assert not reader.is_alive()


@pytest.fixture
def two_subscriptions(ros_node):
    """A publisher, a running reader of one subscription, a second one, and what each handled."""
    publisher = ros_node.create_publisher(Int32, 'numbers', QoSProfile(depth=100))
    first, second = subscribe(ros_node), subscribe(ros_node)
    seen = {'first': [], 'second': []}
    reader = TopicReader(
        ros_node,
        [Input(first, lambda message, _: seen['first'].append(message.data))],
        pytest.fail,
    )
    successor = Input(second, lambda message, _: seen['second'].append(message.data))
    wait_until(lambda: publisher.get_subscription_count() == 2)
    yield publisher, reader, (first, successor), seen
    reader.stop()


@pytest.mark.dds
def test_a_subscription_takes_over_and_each_message_is_handled_once(two_subscriptions):
    publisher, reader, (first, successor), seen = two_subscriptions
    for value in range(5):
        publisher.publish(Int32(data=value))
    assert publisher.wait_for_all_acked(Duration(seconds=10))  # both queues hold all five
    reader.hand_over(first, successor)
    assert reader.reads(first)
    reader.start()
    wait_until(lambda: reader.reads(successor.subscription))
    wait_until(lambda: not reader.uses(first))
    for value in range(5, 10):
        publisher.publish(Int32(data=value))
    wait_until(lambda: sum(map(len, seen.values())) >= 10)
    assert seen['first'][:5] == list(range(5))
    assert seen['first'] + seen['second'] == list(range(10))
    assert seen['second'][-1] == 9


@pytest.mark.dds
def test_a_hand_over_takes_the_old_queue_once_though_the_topic_is_never_empty(ros_node):
    publisher = ros_node.create_publisher(Int32, 'numbers', QoSProfile(depth=100))
    first, done = subscribe(ros_node), threading.Event()
    queued = 80  # more than the reader takes before the hand-over, so that some are left for it
    seen = {'first': [], 'second': []}

    def again(message, _):
        seen['first'].append(message.data)
        publisher.publish(Int32(data=message.data + queued))  # there is always one more

    def until_the_last(message, _):
        seen['second'].append(message.data)
        if message.data == len(seen['first']) + queued - 1:
            done.set()

    wait_until(publisher.get_subscription_count)
    for value in range(queued - 1):
        publisher.publish(Int32(data=value))
    second = subscribe(ros_node)
    wait_until(lambda: publisher.get_subscription_count() == 2)
    publisher.publish(Int32(data=queued - 1))  # the only one that both queues hold
    assert publisher.wait_for_all_acked(Duration(seconds=10))
    reader = TopicReader(ros_node, [Input(first, again)], pytest.fail)
    reader.hand_over(first, Input(second, until_the_last))
    reader.start()
    finished = done.wait(10)
    reader.stop()
    assert finished
    assert len(seen['first']) <= MOST + first.qos_profile.depth
    assert seen['first'] + seen['second'] == list(range(len(seen['first']) + queued))


@pytest.mark.dds
def test_a_subscription_that_receives_nothing_does_not_take_over(ros_node, topic):
    publisher, read = topic
    seen = []
    reader = read(lambda message, number: seen.append(message.data))
    first = next(s for s in ros_node.subscriptions if s.topic == 'numbers')
    silent = ros_node.create_subscription(
        Int32, 'silence', print, QoSProfile(depth=1), callback_group=ReaderGroup()
    )
    reader.hand_over(first, Input(silent, pytest.fail))
    wait_until(lambda: reader.uses(silent))
    for value in range(3):
        publisher.publish(Int32(data=value))
    wait_until(lambda: len(seen) == 3)
    assert reader.reads(first)
    assert not reader.reads(silent)
    reader.keep(first)
    wait_until(lambda: not reader.uses(silent))
    ros_node.destroy_subscription(silent)
    publisher.publish(Int32(data=3))
    wait_until(lambda: len(seen) == 4)
