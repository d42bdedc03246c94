# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Kind cycle: the look of the source without pairs (Shen et al., 3.5; Zhu et al., CycleGAN)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.networks.translator import Translator
from spike_depth_ros.tasks.architectures import TranslatorSettings
from spike_training.engine.optim import Groups
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.evaluation.looks import edge_f1
from spike_training.learning.adversarial import PatchDiscriminator
from spike_training.learning.looks import check_pair, source_picture, target_picture
from spike_training.methods.translate.history import History
from spike_training.methods.translate.losses import difference, discriminator_loss, look_loss
from spike_training.methods.translate.pictures import edge_warnings, undecayed
from spike_training.methods.translate.settings import CycleConfig
from spike_training.sampling.sample import Pair
from spike_training.settings.config import ModelConfig


class Cycle(Stage[Pair]):
    """Stage of two translators and two discriminators.

    Args:
        translator: Translator from the target to the look of the source.
        back: Translator the other way.
        config: Settings.
        model: Depth range, for pictures.
        size: Rows and columns of the pictures.
    """

    def __init__(
        self,
        translator: Translator,
        back: Translator,
        config: CycleConfig,
        model: ModelConfig,
        size: tuple[int, int],
    ) -> None:
        super().__init__()
        self.translator, self.back = translator, back
        self.config, self.model = config, model
        looks = ('source', 'target')
        self.discriminators = nn.ModuleDict(
            {look: PatchDiscriminator(3, config.gan.width, config.gan.layers) for look in looks}
        )
        self.histories = nn.ModuleDict({look: History(config.history, *size) for look in looks})

    @classmethod
    def from_config(cls, config: CycleConfig, context: Context) -> Cycle:
        """Implement :meth:`Stage.from_config`."""
        data = context.config.data
        back = Translator(TranslatorSettings(**context.info.settings))
        translator = context.init_model(Translator)
        return cls(translator, back, config, context.config.model, (data.height, data.width))

    @property
    def deployable(self) -> nn.Module:
        """Translator of the direction that is wanted, see :attr:`Stage.deployable`."""
        return self.translator if self.config.direction == 'to_source' else self.back

    @property
    def networks(self) -> list[nn.Module]:
        """Both translators and discriminators, see :attr:`Stage.networks`."""
        return [self.translator, self.back, *self.discriminators.values()]

    def optimizers(self) -> Groups:
        """Group parameters; the discriminators have their own optimiser."""
        return {
            'main': undecayed(self.translator, self.back),
            'discriminators': undecayed(self.discriminators),
        }

    def begin(self, batches: Iterable[Pair], held_out: Iterable[Pair]) -> None:
        """Check that pictures of both domains show something.

        Raises:
            DataSetError: They do not.
        """
        check_pair(next(iter(batches)))

    def forward(self, batch: Pair, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        config = self.config
        real = {'source': source_picture(batch.source), 'target': target_picture(batch.target)}
        made = {'source': self.translator(real['target']), 'target': self.back(real['source'])}
        cycle = difference(self.translator(made['target']), real['source']) + difference(
            self.back(made['source']), real['target']
        )
        loss = config.cycle_weight * cycle
        parts = {'cycle': cycle}
        if config.identity_weight:
            same = self.translator(real['source']), self.back(real['target'])
            identity = difference(same[0], real['source']) + difference(same[1], real['target'])
            loss = loss + config.identity_weight * identity
            parts['identity'] = identity
        looks = []
        for look, discriminator in self.discriminators.items():
            shown = made[look]
            if phase == 'train':
                history = self.histories[look]
                assert isinstance(history, History)
                shown = history.exchange(shown)
            found = discriminator_loss(discriminator, real[look], shown)
            looks.append(look_loss(discriminator, made[look]))
            loss = loss + found.loss
            parts[f'{look}_accuracy'] = found.accuracy
        parts['look'] = torch.stack(looks).sum()
        loss = loss + config.look_weight * parts['look']
        parts['changed'] = difference(made['source'], real['target'])
        if phase == 'val':
            parts['edges'] = edge_f1(made['source'], real['target']).mean()
        return {'loss': loss, **{name: value.detach() for name, value in parts.items()}}

    def warnings(self, metrics: Mapping[str, float]) -> Sequence[str]:
        """Return a warning where edges do not stay."""
        return edge_warnings(metrics, 'raise cycle_weight or identity_weight')

    def picture(self, batch: Pair) -> npt.NDArray[np.uint8]:
        """Draw pictures of both domains, in their own and in the other look, and edges."""
        from spike_training.methods.translate.sheet import sheet_of

        target = target_picture(batch.target)
        source = source_picture(batch.source)
        return sheet_of(
            self.model,
            {'target': target, 'look of the source': self.translator(target)},
            {'source': source, 'look of the target': self.back(source)},
        )
