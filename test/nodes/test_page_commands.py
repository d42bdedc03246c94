# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The shell commands of docs/start and docs/tasks run as printed, page by page, in their order.

They run in a folder that looks like a reader's clone, by the installed programs, over a real DDS.
What a test changes, readers may change, too:

- It makes the files that commands read, small ones (``kit.page_inputs``), and removes what an
  earlier command of a page has written under the name of a later one.
- It adds options (``ADDED``): few steps and small pictures in training, short recordings and
  demos, a file in place of a window.
  ``adapt`` gets the settings of one stage and 3 minutes; the evaluation of a trained network
  reads the settings of that training.
- Where a fence leaves it to the reader, it plays a recording, and runs a depth node.
- Without a ROS installation ``ros2 run`` starts the program itself, ``ros2 param set`` is
  ``spike_inspect set``, as the pages say, and ``ros2 service call`` calls by rclpy.
- ``.venv`` is the environment of the tests. Commands that make an environment run in the real
  clone, where they find it up to date; those that need one that is not there are left out.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from kit import page_inputs
from kit.page_commands import all_commands, fences_of, pages
from kit.programs import ROOT, wait_until

pytestmark = pytest.mark.dds

SCRIPTS = Path(sys.executable).parent
LEAST_SHARE = 0.8
"""Of the commands, which a test runs."""

TRAIN = '--train.batch_size 2 --train.warmup_steps 1 --train.validate_every 0'
FEW = ' '.join(
    f'--evaluate.{name} 2'
    for name in ('scenes', 'baseline_scenes', 'calibration_scenes', 'batch_size')
)
SMALL = '--data.height 64 --data.width 96'
LABELS = f'{TRAIN} {FEW} {SMALL} --train.steps 2 --data.planes [32]'
SIZES = (
    '{hidden: 48, layers: 4, heads: 4, mlp_ratio: 2, grid: 5, taps: [1, 2, 3, 4], '
    'neck: [8, 16, 32, 32], fusion: 16, head: 8}'
)
ADDED = (
    (r'.* train .*/labels\.yaml', LABELS),
    (r'.* train .*/stereo_lite\.yaml', f'{TRAIN} {FEW} --train.steps 2'),
    (
        r'.* train .*/dsr\.yaml',
        f'{TRAIN} {FEW} --train.steps 2 --data.height 256 --data.width 320 '
        '--stages.enlarge.crops 4',
    ),
    (
        r'.* train .*/fuse\.yaml',
        f'{FEW} {SMALL} --evaluate.export false --stages.small.steps 2 '
        '--stages.small.height 32 --stages.small.width 64 '
        '--train.batch_size 2 --stages.large.steps 2 --stages.large.batch_size 2',
    ),
    (
        r'.* train .*/fuse_align\.yaml',
        f'{TRAIN} {FEW} {SMALL} --train.steps 2 --stages.metres.steps 2 '
        f"--model.settings '{SIZES}'",
    ),
    (r'.* train .*/own_recording\.yaml', f'{TRAIN} {FEW} --train.steps 2'),
    (r'make demo', 'SECONDS=3'),
    (r'\S*spike_demo', '--seconds 3'),
    (r'spike_player .*--loop &', '--speed 0.25'),
    (r'(.*\| )?spike_player (?!.*(--loop|--with-truth))', '--wait 1'),
    (r'spike_player .*--with-truth', '--speed 0.05'),
    (r'.* adapt (?!.*--right)', '--minutes 3 --config quick.yaml'),
    (r'.* adapt .*--right right/', '--minutes 3'),
    (r'.* adapt .*--right right\.dat', f'--minutes 3 --rate-hz {page_inputs.SLOW_HZ}'),
    (r'spike_record .*--split-gb', '--max-gb 0.1 --split-gb 0.04'),
    (r'spike_record .*--seconds 5', '--max-gb 0.1'),
    (r'spike_record .*(--image|--stereo)', '--seconds 2'),
    (r'.* evaluate .*/dsr.yaml', '--samples 2'),
    (r'\.venv-view/bin/spike_view', '--save look.rrd'),
)
"""What is added to commands, ``ros2 run`` left out, by how they begin."""

OFFICE = f'spike_player {page_inputs.ASSETS}/office.npz --loop --speed 0.25'
SLOW = f'spike_player left.dat --size 400x250 --rate {page_inputs.SLOW_HZ} --fx 430 --loop'
PAIR = f'spike_player {page_inputs.ASSETS}/stereo.npz --loop --speed 0.25'
FRAMES = (
    'spike_player frames_bag --image /camera/image_raw --loop --ros-args '
    '-r image:=/camera/image_raw -r image/camera_info:=/camera/camera_info'
)
BESIDE = (
    (r'spike_record .*--image', [FRAMES]),
    (r'(spike_record|check_stream) .*--stereo', [PAIR]),
    (r'.*spike_view .*left/image_rect', [PAIR, 'spike_stereo']),
    (r'spike_record .*--seconds 10', [SLOW]),
    (r'(spike_record|check_stream)', [OFFICE]),
    (r'(ros2 param|spike_inspect (set|topics|save|diag)|.*spike_view$)', [OFFICE, 'spike_depth']),
    (r'spike_stereo .*network', [PAIR]),
    (r'vendor_dump', ['spike_depth']),
)
"""What must run beside a command, by how it begins, unless its page started it."""

GOES_ON = re.compile(
    r'(spike_depth|spike_stereo|spike_camera(?! --list)|spike_evaluation|video_source)\b'
    r'|check_stream --watch'
    r'|spike_record .*--services|spike_player .*--loop|\S*spike_view\b'
)
"""Commands that run until they are interrupted."""

MAKES_ENVIRONMENT = re.compile(r'make \S*environment|sh scripts/environment')

LONGEST_S = 400
"""Of a command, seconds on a busy machine."""


class Reader:
    """Follows a page in shells of a folder.

    Args:
        folder: A new folder.
    """

    def __init__(self, folder):
        self.folder, self._set_up, self._running, self._logs = folder, [], {}, {}
        self._begun = {}
        programs = folder.with_name('programs')
        folder.mkdir()
        page_inputs.make_checkout(folder)
        page_inputs.make_programs(programs)
        left_out = (
            *('LD_LIBRARY_PATH', 'AMENT_PREFIX_PATH', '_ROS_WHEELS_BOOTSTRAP_COMPLETE'),
            *('MAKEFLAGS', 'DISPLAY', 'WAYLAND_DISPLAY'),
        )
        self._environment = {k: v for k, v in os.environ.items() if k not in left_out}
        # What pip installs goes beside the clone: never into the environment of the tests.
        self._environment |= {
            'PIP_TARGET': str(folder.with_name('installed')), 'PIP_NO_DEPS': '1',
            'PIP_NO_INDEX': '1', 'PIP_NO_BUILD_ISOLATION': '0',
        }  # fmt: skip
        self._environment['PATH'] = f'{programs}:{SCRIPTS}:{os.environ["PATH"]}'

    def follow(self, fence):
        """Run the commands of a fence, as in shells that its end closes."""
        self._set_up = []
        texts = [command.text for command in fence]
        of_two = any('--right ' in text for text in texts)
        if of_two:  # another bag of the same name
            shutil.rmtree(self.folder / 'my_bag', ignore_errors=True)
        for command in fence:
            text = command.text.replace('/data/', 'data/')
            if command.needs or left_out(text):
                continue
            if command.sets_up:
                self._set_up.append(text.replace('DOMAIN_ID=7', 'DOMAIN_ID=$ROS_DOMAIN_ID'))
            elif jobs := re.fullmatch(r'kill( %\d)+', text):
                started = list(self._running)
                for job in re.findall(r'\d', jobs[0]):
                    self._stop(started[int(job) - 1], signal.SIGTERM)
            else:
                if 'demo' in text:  # it starts a node of its own
                    self._close()
                self._make_inputs(with_options(text), of_two)
                self._start_beside(text)
                awaited = text == 'make demo' and any('spike_inspect' in one for one in texts)
                if GOES_ON.match(program_of(text)) or awaited:
                    self.start(text)
                else:
                    self.run(text)
        self._close()

    def _close(self):
        """Interrupt what still runs, once depth has come from a node that has a source."""
        if {'node', 'source'} <= {kind for one in self._running for kind in kinds_of(one)}:
            self.run('spike_inspect save depth/image seen.png --overwrite --timeout 30')
        for text in reversed([*self._running]):
            self._stop(text, None if text == 'make demo' else signal.SIGINT)

    def _make_inputs(self, text, of_two):
        """Make the files that a command names, and remove what it is to write."""
        out = re.search(r'--out (\S+)', text)
        if out and re.search(r'adapt |spike_record|spike_convert', text):
            path = self.folder / out[1]
            beside = (path.with_suffix(''), path.with_suffix('.onnx')) * bool(path.suffix)
            for old in (path, *beside):
                shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
        read = (text.replace(out[0], '') if out else text).replace('$PWD/', '')
        makers = {**page_inputs.MAKERS, 'FOLDER': page_inputs.folder_of(text)}
        if of_two:
            makers['my_bag'] = page_inputs.bag_of_two
        for name, make in makers.items():
            path = self.folder / name
            if re.search(rf'(?<![\w/]){re.escape(name)}(?![\w.])', read) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                make(path)

    def _start_beside(self, text):
        for begin, commands in BESIDE:
            if re.match(begin, program_of(text)):
                for command in commands:
                    name = program_of(command).split()[0]
                    if not any(program_of(one).split()[0] == name for one in self._running):
                        self._make_inputs(command, False)
                        self.start(command)
                return

    def _shell(self, text, log):
        text = with_options(text)
        folder, environment = self.folder, self._environment
        if MAKES_ENVIRONMENT.match(text):
            folder = ROOT
            environment = {k: v for k, v in environment.items() if not k.startswith('PIP_')}
        if text.startswith('make demo'):
            text = text.replace('make ', 'make -o environment -o view-environment ')
        lines = [*self._set_up, text if '|' in text else f'exec {text.removesuffix("&")}']
        return subprocess.Popen(
            ['bash', '-ec', '\n'.join(lines)], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def run(self, text):
        """Run a command to its end."""
        self.start(text)
        self._stop(text, None)
        written = re.search(r'(?:--out|save \S+) (\S+)', text)
        if written and not re.search(r'adapt |--dry-run', text):
            assert (self.folder / written[1]).exists(), self._logs[text].read_text()

    def start(self, text):
        """Start a command that goes on."""
        path = self.folder.with_name(f'{len(self._logs)}.log')
        with path.open('wb') as log:
            self._running[text] = self._shell(text, log)
        self._begun[text] = time.monotonic()
        self._logs[text] = path
        if 'spike_view' in text:
            wait_until(self._sees, 60, path.read_text)
        elif GOES_ON.match(program_of(text)) and 'spike_evaluation' not in text:
            wait_until(path.read_text, 30, lambda: f'{text} says nothing')

    def _sees(self):
        """Whether a view has written pictures to its file, which has no name yet."""
        return any(one.stat().st_size > 100_000 for one in self.folder.glob('.*/look.rrd'))

    def _stop(self, text, number):
        process = self._running[text]
        if number is not None:
            assert process.poll() is None, f'{text} has ended:\n{self._logs[text].read_text()}'
            os.killpg(process.pid, number)
        status = process.wait(LONGEST_S)
        del self._running[text]
        said = self._logs[text].read_text()
        print(f'{time.monotonic() - self._begun[text]:5.1f} s  {with_options(text)}')
        assert 'Traceback' not in said, f'{text}:\n{said}'
        # Of a busy machine a check may find what is lost.
        assert status in ((0, 1) if 'check_stream' in text else (0,)), f'{text}:\n{said}'

    def end(self):
        """Kill what still runs."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def kinds_of(text):
    """Whether a command is a node of depth, or a source of spikes."""
    if re.match(r'(spike_depth|spike_stereo)\b', program_of(text)):
        yield 'node'
    if re.match(r'(spike_player|video_source)\b', program_of(text)):
        yield 'source'


def program_of(text):
    """The command without ``ros2 run``."""
    return text.replace('ros2 run spike_depth_ros ', '')


def with_options(text):
    """The command with what the tests add."""
    given = program_of(text)
    if 'run.py evaluate' in text:  # at the size of the training
        text = re.sub(r'(--checkpoint (runs/\w+)/.*--config )\S+', r'\1\2/config.yaml', text)
    for begin, added in ADDED:
        if re.match(begin, given):
            place = re.search(r' --ros-args| &|$', text).start()
            text = f'{text[:place]} {added}{text[place:]}'
    return text


def left_out(text):
    """Whether a command needs an environment that is not there."""
    environments = re.findall(r'\.venv(?:-view)?(?= requirements)', text)
    if re.search(r'view-environment|\.venv-view|VIEW=1', text):
        environments.append('.venv-view')
    return not all((ROOT / name).exists() for name in environments)


def marks_of(page):
    """What the test of a page is: long but for one, timed where no plane may be lost."""
    if page.stem != 'video':
        yield pytest.mark.long
        yield pytest.mark.timeout(1200)
    if page.stem in ('first_hour', 'record', 'two_cameras'):
        yield pytest.mark.timed
    if page.stem == 'first_hour':
        yield pytest.mark.kind


@pytest.mark.parametrize(
    'page', [pytest.param(page, id=page.stem, marks=[*marks_of(page)]) for page in pages()]
)
def test_the_commands_of_a_page_run(page, tmp_path):
    if not (SCRIPTS / 'spike_depth').exists():
        pytest.skip('the commands are not installed')
    reader = Reader(tmp_path / 'clone')
    try:
        for fence in fences_of(page.read_text(encoding='utf-8')):
            reader.follow(fence)
    finally:
        reader.end()


def test_no_command_is_left_out_for_want_of_an_environment():
    missing = [command.text for command in all_commands() if left_out(command.text)]
    if missing:
        pytest.skip(f'make environment view-environment, to run: {missing}')


def test_all_that_is_added_belongs_to_a_command():
    texts = [program_of(command.text) for command in all_commands() if not command.needs]
    for begin, _ in (*ADDED, *BESIDE):
        assert any(re.match(begin, text) for text in texts), begin
    named = ' '.join([*texts, *(with_options(text) for text in texts), FRAMES, SLOW])
    for name in page_inputs.MAKERS:
        assert name in named, name


def test_four_of_five_commands_run_and_the_others_say_why(record_property):
    commands = all_commands()
    needs = Counter(command.needs for command in commands)
    record_property('commands', dict(needs))
    assert needs[''] >= LEAST_SHARE * len(commands), needs


@pytest.mark.parametrize(
    'fence',
    [
        '```\nspike_depth\n```\n',
        '<!-- needs: patience -->\n```sh\nspike_depth\n```\n',
        '<!-- needs: camera (spike_player) -->\n```sh\nspike_depth\n```\n',
    ],
)
def test_a_fence_without_a_language_or_a_known_reason_is_refused(fence):
    with pytest.raises(AssertionError):
        list(fences_of(fence))
