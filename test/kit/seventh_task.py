# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A task that the package does not know, all of it: how bright each pixel is on average."""

import dataclasses

import torch

from spike_depth_ros.base.values import Text
from spike_depth_ros.pages.blocks import Table
from spike_depth_ros.pages.terminal import print_table
from spike_depth_ros.tasks.base import TASKS, SpikeInfo, task
from spike_training.engine.stage import Stage
from spike_training.evaluation.predictors import build_for_evaluation
from spike_training.evaluation.report import FORMAT
from spike_training.run_data.sources import make_source
from spike_training.settings.config import BatchSpec, StageConfig
from spike_training.settings.method import Method
from spike_training.tasks.base import (
    Exported,
    Metric,
    Shown,
    Tabled,
    Task,
    register,
    spike_fields,
)


@task(
    'brightness',
    architectures=('recon_lite',),
    images=('rate',),
)
@dataclasses.dataclass(frozen=True, kw_only=True)
class BrightnessInfo(SpikeInfo):
    """Metadata of its checkpoints."""

    task: Text = 'brightness'
    outputs: tuple[Text, ...] = ('rate',)
    brightest: float = 1.0
    """Largest rate that it knows."""


@dataclasses.dataclass
class BrightnessConfig(StageConfig):
    """Kind brightness."""

    implementation = f'{__name__}:Brightness'
    summary = 'learns how bright each pixel is'
    task = 'brightness'

    kind: str = 'brightness'


class Brightness(Stage):
    """The squared error against the mean of the window."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    @classmethod
    def from_config(cls, config, context):
        return cls(context.init_model(torch.nn.Module))

    @property
    def deployable(self):
        return self.network

    def forward(self, batch, phase):
        return {'loss': error(self.network, batch).mean()}

    def picture(self, batch):
        rate = self.network(batch.counts, batch.planes_per_bin).rate[0, 0]
        return (255 * rate).byte().cpu().numpy()[..., None].repeat(3, 2)


METHOD = Method((BrightnessConfig,))


def error(network, batch):
    """The squared error of each image of a batch."""
    wanted = batch.counts.float().mean(1, keepdim=True)
    return (network(batch.counts, batch.planes_per_bin).rate - wanted).square().mean((1, 2, 3))


def evaluate(config, info, weights, device, given):
    network = build_for_evaluation(info, weights, device)
    sets = {}
    for style in config.data.styles:
        source = make_source(config, 'test', device, [style], BatchSpec())
        batch = source.batch(0, config.evaluate.scenes)
        with torch.inference_mode():
            own = float(error(network, batch).mean())
        dark = float(batch.counts.float().mean(1).square().mean())
        sets[style] = {'title': style, 'rows': {'network': own, 'darkness': dark}}
    return {
        'format': FORMAT,
        'task': 'brightness',
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': config.seed,
        'sets': sets,
    }


def show(report):
    rows = [[name, f'{one["rows"]["network"]:.4f}'] for name, one in report['sets'].items()]
    print_table(Table(['', 'squared error'], rows, 'Brightness'))


def results(report):
    rows = [[name, f'{one["rows"]["network"]:.4f}'] for name, one in report['sets'].items()]
    return Table(['', 'squared error'], rows, 'Brightness of pixels', caption='Lower is better.')


def read(config, report, name, domain, method):
    found = [one['rows'][method] for one in report['sets'].values()]
    return sum(found) / len(found)


register(
    Task(
        TASKS['brightness'],
        title='Brightness from spikes',
        noun='a network of brightness',
        metadata=lambda config, common: BrightnessInfo(**common, **spike_fields(config)),
        evaluate=evaluate,
        metrics=lambda report: {'error': read(None, report, 'error', 'source', 'network')},
        show=show,
        export=Exported('spike_training.exports.spikes', {}),
        shown=Shown(
            lambda report: iter([('squared error', results(report).rows[0][1])]),
            lambda scores: iter(()),
            results,
        ),
        tabled=Tabled(
            lambda config, before: {'error': Metric('squared error')}, read, 'brightness'
        ),
    )
)
