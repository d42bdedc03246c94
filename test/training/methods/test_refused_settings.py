# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the stages of each method say to settings that do not fit, each row one problem or more.

Fields by themselves, of another type or out of range, are in ``settings/test_fields.py``.
"""

from pathlib import Path

import pytest

from kit.runs import TARGET, tiny_run
from spike_training.errors import ConfigError
from spike_training.methods.align.settings import ResidualConfig, SequenceConfig
from spike_training.methods.bicross.settings import (
    AdaptConfig,
    CrossDomainConfig,
    CrossModalityConfig,
    DistilConfig,
    JointConfig,
    PretrainConfig,
)
from spike_training.methods.dsr.settings import EnlargeConfig, EstimateConfig, RestoreConfig
from spike_training.methods.fuse.settings import FuseConfig, RobustConfig
from spike_training.methods.ssml.settings import (
    BlindSpotConfig,
    HeldOutConfig,
    MutualConfig,
    SupervisedConfig,
)
from spike_training.methods.stereo.settings import (
    MatchConfig,
    PhotometricConfig,
    PhotometricSettings,
)
from spike_training.methods.translate.settings import (
    CycleConfig,
    GanConfig,
    PairedConfig,
    TranslatedConfig,
)
from spike_training.settings.config import TargetConfig, check, problems_of

FUSE_LITE = {'dim': 16, 'features8': 8, 'features': 8, 'features2': 8, 'head': 8, 'heads': 2}
RECORDED = {'dat': 'x'}
RGB = PretrainConfig(name='teacher', input='rgb')


def told(*stages, **settings):
    """All problems of a run, in one line."""
    return '; '.join(problems_of(tiny_run(Path('run'), *stages, **settings)))


def adapted(*stages, target=TARGET, **settings):
    """The problems of a run with a teacher of RGB and a target."""
    return told(RGB, *stages, target=target, **settings)


def spikes_before(stage):
    return told(PretrainConfig(name='teacher'), stage, target=TARGET)


def pictures(stage, architecture='recon_lite', data=None, export=False):
    sizes = {'recon_lite': {'widths': [4, 4, 4]}, 'unet_lite': {}}
    sizes = sizes.get(architecture, {'features': 4, 'amim': 3})
    model = {'architecture': architecture, 'bins': 41, 'settings': sizes}
    data = {'planes': [41]} | (data or {})
    return told(stage, model=model, data=data, evaluate={'export': export})


def maps(*stages, architecture='dsr_net', sizes=None, export=False):
    given = {'width': 4, 'blocks': 2, 'factors': [4], 'residual': True}
    model = {'architecture': architecture, 'settings': given if sizes is None else sizes}
    return told(*stages, model=model, evaluate={'export': export})


def enlarge(architecture='upsample_lite', sizes=None, **settings):
    given = {'factors': [2, 4], 'crop': 32} | settings
    sizes = {'width': 8, 'blocks': 1, 'factors': [2, 4]} if sizes is None else sizes
    return maps(EnlargeConfig(name='small', **given), architecture=architecture, sizes=sizes)


ESTIMATE = EstimateConfig(name='estimate', crop=32)


def restore(**settings):
    given = {'factors': [4], 'crop': 32, 'init_from': 'enlarge'} | settings
    first = EnlargeConfig(name='enlarge', factors=[4], crop=32)
    return maps(first, ESTIMATE, RestoreConfig(name='restore', **given))


def match(architecture='stereo_lite', data=None, **settings):
    sizes = {'disparities': 32, 'stem': 8, 'features': 8} if architecture == 'stereo_lite' else {}
    model = {'architecture': architecture, 'bins': 4, 'settings': sizes}
    return told(MatchConfig(name='small', **settings), model=model, data=data or {})


def pairs(architecture='unet_lite', data=None, levels=3, alpha=0.85, **settings):
    own = {'right': 'predicted' if architecture == 'dpn' else 'siamese'} | settings
    photometric = PhotometricSettings(levels=levels, alpha=alpha)
    stage = PhotometricConfig(name='pairs', photometric=photometric, **own)
    model = {'architecture': architecture, 'bins': 9, 'settings': {}}
    return told(stage, model=model, data=data or {})


def fuse(stage=FuseConfig, data=None, **settings):
    model = {'architecture': 'fuse_lite', 'bins': 9, 'settings': FUSE_LITE}
    return told(stage(name='fuse', **settings), model=model, data=data or {})


def robust(uses='frame', architecture='fuse_lite', **settings):
    frame = FuseConfig(name='frame', dropped=0.0, settings={'uses': uses})
    stage = RobustConfig(name='robust', **{'teacher': 'frame', 'init_from': 'frame'} | settings)
    return told(frame, stage, model={'architecture': architecture, 'bins': 9,
                                     'settings': FUSE_LITE})  # fmt: skip


def cross_domain(**adapt):
    return adapted(CrossDomainConfig(init_from='previous', adapt=AdaptConfig(**adapt)))


def joint(**settings):
    given = {'teacher': 'teacher', 'init_from': 'teacher'} | settings
    return adapted(JointConfig(name='joint', **given))


def residual(**settings):
    return adapted(ResidualConfig(**{'name': 'aligned', 'init_from': 'teacher'} | settings))


def sequence(**settings):
    return SequenceConfig(**{'name': 'aligned', 'init_from': 'teacher'} | settings)


def look(stage, **settings):
    stage.name = 'look'
    return told(stage, **{'target': TARGET} | settings)


NO_TOKENS = {'architecture': 'dpn', 'settings': {}}

ROWS = {
    'bicross': {
        'name that is a keyword': ('name is', lambda: told(PretrainConfig(name='scratch'))),
        'init_from that is no stage': ('init_from is',
            lambda: told(PretrainConfig(init_from='nowhere'))),
        'fog_m of 0': ('target.fog_m is 0', lambda: adapted(target=TargetConfig(fog_m=0.0))),
        'colours in cross_modality': ("stages[1].input is 'rgb'",
            lambda: adapted(CrossModalityConfig(teacher='teacher', input='rgb'))),
        'teacher of spikes': ("teacher is 'teacher'",
            lambda: spikes_before(CrossModalityConfig(teacher='teacher'))),
        'no teacher': ('teacher is None', lambda: told(CrossModalityConfig())),
        'quantile above 1': ('distil.rgb_quantile is 2',
            lambda: told(CrossModalityConfig(distil=DistilConfig(rgb_quantile=2)))),
        'no target': ('stages[0] trains on the target', lambda: told(CrossDomainConfig())),
        'scratch in cross_domain': ("init_from is 'scratch'",
            lambda: adapted(CrossDomainConfig())),
        'bounds that descend': ('adapt.kept_fraction_bounds is (0.9, 0.1)',
            lambda: cross_domain(kept_fraction_bounds=(0.9, 0.1))),
        'nothing that trains depth': ('adapt.pseudo_weight is 0 and so is source_weight',
            lambda: cross_domain(source_weight=0, pseudo_weight=0)),
        **{
            f'teacher and student of another {name}': (
                f'stages[1].settings.{name} is not that of teacher',
                lambda name=name: told(
                    PretrainConfig(name='teacher', input='rgb', settings={name: 24}),
                    CrossModalityConfig(name='student', teacher='teacher'),
                ),
            )
            for name in ('dim', 'features')
        },
        'joint: target_steps above the steps': ('target_steps is 4',
            lambda: joint(target_steps=4)),
        'joint: no target_steps': ('target_steps is 0', lambda: joint(target_steps=0)),
        'joint: no teacher': ('teacher is None', lambda: joint(teacher=None)),
        'joint: quantile above 1': ('adapt.quantile is 2',
            lambda: joint(adapt=AdaptConfig(quantile=2.0))),
    },
    'align': {
        'spikes': ('input is', lambda: residual(input='spikes')),
        'from scratch': ('init_from is', lambda: residual(init_from='scratch')),
        'affine': ('trainable is', lambda: residual(trainable='affine')),
        'discriminators that do not learn': ('discriminator_lr_scale is 0',
            lambda: residual(discriminator_lr_scale=0.0)),
        **{
            f'{start} of another task': ("init_from is 'look', of the task translation",
                lambda start=start: adapted(CycleConfig(name='look'), sequence(init_from=start)))
            for start in ('look', 'previous')
        },
        **{
            f'{kind.kind}: a network without tokens': ('aligns tokens',
                lambda kind=kind: adapted(kind(init_from='teacher', name='x'), model=NO_TOKENS))
            for kind in (ResidualConfig, SequenceConfig)
        },
        **{
            f'{init_from} of spikes': (f"init_from is '{init_from}'",
                lambda init_from=init_from: spikes_before(sequence(init_from=init_from)))
            for init_from in ('teacher', 'previous')
        },
        'no target': ('trains on the target', lambda: adapted(sequence(), target=None)),
    },
    'translate': {
        'an unknown size': ('settings.depth is unknown',
            lambda: look(CycleConfig(settings={'depth': 3}))),
        'a width of 0': ('settings.width is 0', lambda: look(CycleConfig(settings={'width': 0}))),
        'no blocks': ('settings.blocks is 0', lambda: look(PairedConfig(settings={'blocks': 0}))),
        'no history': ('history is 0', lambda: look(CycleConfig(history=0))),
        'spikes': ('input is', lambda: look(CycleConfig(input='spikes'))),
        'no layers': ('gan.layers is 0', lambda: look(CycleConfig(gan=GanConfig(layers=0)))),
        'an unknown size of a translator': ("translator is {'depth': 1}",
            lambda: adapted(TranslatedConfig(init_from='teacher', translator={'depth': 1}))),
        'no step of discriminators': ('discriminator_every is 0',
            lambda: adapted(TranslatedConfig(init_from='teacher', discriminator_every=0))),
        'more layers than pictures have': ('gan.layers is 4',
            lambda: look(CycleConfig(gan=GanConfig(layers=4)))),
        'translated: more layers than pictures have': ('gan.layers is 4',
            lambda: adapted(TranslatedConfig(init_from='teacher', gan=GanConfig(layers=4)))),
        'weights of imagenet': (
            'alone, the architecture is translator',
            lambda: look(
                CycleConfig(init_from='imagenet'),
                model={'architecture': 'unet_lite', 'settings': {}},
            ),
        ),
        'pairs of recordings': ('data.recordings is given',
            lambda: look(PairedConfig(), data={'recordings': RECORDED})),
        **{
            f'{kind.kind}: no target': ('trains on the target',
                lambda kind=kind: look(kind(), target=None))
            for kind in (CycleConfig, PairedConfig)
        },
    },
    'dsr': {
        'an unknown factor': ('factors[1] is 3', lambda: enlarge(factors=[2, 3])),
        'one factor twice': ('factors is [2, 2]', lambda: enlarge(factors=[2, 2])),
        'no factor': ('factors is []', lambda: enlarge(factors=[])),
        'factors of another network': ('factors is [4]', lambda: enlarge(factors=[4])),
        'a crop between': ('crop is 30', lambda: enlarge(crop=30)),
        'too small a crop': ('crop is 8', lambda: enlarge(crop=8)),
        'a crop above the images': ('crop is 64', lambda: enlarge(crop=64)),
        'no crops': ('crops is 0', lambda: enlarge(crops=0)),
        'holes everywhere': ('holes is 1', lambda: enlarge(holes=1.0)),
        'input of enlarge': ('input is rgb', lambda: enlarge(input='rgb')),
        'a network of depth': ('task upsample',
            lambda: enlarge(architecture='unet_lite', sizes={})),
        'estimator that is none': ("estimator is 'enlarge'", lambda: restore(estimator='enlarge')),
        'estimator that is missing': ("estimator is 'none'", lambda: restore(estimator='none')),
        'from the estimator': ("init_from is 'estimate'", lambda: restore(init_from='estimate')),
        'from the estimator before': ("init_from is 'previous', estimate",
            lambda: restore(init_from='previous')),
        'sizes of another estimator': ('settings are not those of estimate',
            lambda: restore(settings={'width': 8})),
        'estimates fitted in one stage alone': ('fit_estimates is False',
            lambda: restore(fit_estimates=False)),
        'no round': ('round_steps is 0', lambda: restore(round_steps=0)),
        'a share above 1': ('ssim_share is 1.5', lambda: restore(ssim_share=1.5)),
        'restore: factors of another network': ('factors is [8]', lambda: restore(factors=[8])),
        'a network of colours at the end': ('it is the last stage', lambda: maps(ESTIMATE)),
        'an export of dsr_net': ('evaluate.export is true',
            lambda: maps(EnlargeConfig(factors=[4], crop=32), export=True)),
        'another network of restore': (
            'model.architecture is upsample_lite',
            lambda: maps(
                ESTIMATE,
                RestoreConfig(name='restore', crop=32, factors=[4]),
                architecture='upsample_lite',
                sizes={'factors': [4]},
            ),
        ),
    },
    'stereo': {
        'colours in match': ('stages[0].input is rgb', lambda: match(input='rgb')),
        'baselines that descend': ('baseline_factors is (2.0, 1.0)',
            lambda: match(baseline_factors=(2.0, 1.0))),
        **{
            f'match: {name}': (f'data.{name} is given',
                lambda name=name: match(data={name: RECORDED}))
            for name in ('recordings', 'mixed_recordings')
        },
        'a network of one eye': ('task stereo', lambda: match(architecture='unet_lite')),
        'unet_lite that predicts the right eye': ("right is 'predicted'",
            lambda: pairs(right='predicted')),
        'photometric: baselines that descend': ('baseline_factors is (2.0, 1.0)',
            lambda: pairs(baseline_factors=(2.0, 1.0))),
        'light above 1': ('light is 1.5', lambda: pairs(light=1.5)),
        'scenes without a target': ('trains on the target', lambda: pairs(source_weight=1.0)),
        'scenes in colours': ('source_weight is 1', lambda: pairs(source_weight=1.0, input='rgb')),
        'alpha above 1': ('photometric.alpha is 2', lambda: pairs(alpha=2.0)),
        'no levels': ('photometric.levels is 0', lambda: pairs(levels=0)),
        'more levels than the image has': ('photometric.levels is 5', lambda: pairs(levels=5)),
        'more levels than dpn has': ('levels is 5',
            lambda: pairs('dpn', levels=5, data={'height': 96, 'width': 96})),
        'photometric: mixed_recordings': ('data.mixed_recordings is given',
            lambda: pairs(data={'mixed_recordings': RECORDED})),
    },
    'fuse': {
        'dropped above a half': ('dropped is 0.6', lambda: fuse(dropped=0.6)),
        'dropped below 0': ('dropped is -0.1', lambda: fuse(dropped=-0.1)),
        'colours': ("input is 'rgb'", lambda: fuse(input='rgb')),
        **{
            name: (f'data.{name} is given', lambda name=name: fuse(data={name: RECORDED}))
            for name in ('recordings', 'mixed_recordings')
        },
        'no teacher': ('teacher is None', lambda: robust(teacher=None)),
        'a teacher that is missing': ("teacher is 'nowhere'",
            lambda: robust(teacher='nowhere', init_from='nowhere')),
        'a teacher of spikes': ("teacher is 'frame'", lambda: robust(uses='spikes')),
        'from another than the teacher': ("init_from is 'scratch': expected 'frame'",
            lambda: robust(init_from='scratch')),
        'features2 of another teacher': ('settings.features2 is 4, that of frame 8',
            lambda: robust(settings={'features2': 4})),
        'pool of another teacher': ('settings.pool is 2, that of frame 1',
            lambda: robust(settings={'pool': 2})),
        'a cosine of 0': ('largest_cosine is 0', lambda: robust(largest_cosine=0.0)),
        'robust: dropped above a half': ('dropped is 0.7', lambda: robust(dropped=0.7)),
        'more other scenes than are left': ('other_scene is 0.8', lambda: robust(other_scene=0.8)),
        'an unknown network': ("architecture is 'fuse_light'",
            lambda: robust(architecture='fuse_light')),
    },
    'ssml': {
        'a network of depth': ("kind is 'supervised', of the task image",
            lambda: pictures(SupervisedConfig(), 'unet_lite')),
        'blind_spot of a network that sees': ('model.architecture is recon_lite',
            lambda: pictures(BlindSpotConfig())),
        'mutual of a network that does not see': ('model.architecture is blind_spot',
            lambda: pictures(MutualConfig(), 'blind_spot')),
        'other planes': ('planes is [40], model.bins 41',
            lambda: pictures(MutualConfig(planes=[40]))),
        'colours': ('input is rgb', lambda: pictures(MutualConfig(input='rgb'))),
        **{
            f'{kind.kind}: mixed_recordings': ('data.mixed_recordings is given',
                lambda kind=kind: pictures(kind(), data={'mixed_recordings': RECORDED}))
            for kind in (MutualConfig, HeldOutConfig, SupervisedConfig)
        },
        'supervised: recordings': ('data.recordings is given',
            lambda: pictures(SupervisedConfig(), data={'recordings': RECORDED})),
        'a label longer than the window': (
            'label is tfp19',
            lambda: told(
                MutualConfig(label='tfp19'),
                data={'planes': [17]},
                model={'architecture': 'ssml', 'bins': 17, 'settings': {'features': 4, 'amim': 3}},
            ),
        ),
        'an export that no runtime reads': ('evaluate.export is true',
            lambda: pictures(MutualConfig(), 'ssml', export=True)),
    },
}  # fmt: skip


def test_settings_that_do_not_fit_are_named(refusals):
    rows = {}
    for method, own in ROWS.items():
        for name, (named, call) in own.items():
            rows[f'{method}: {name}'] = named, call
    refusals('stages', rows, None)


def test_a_command_lists_them():
    config = tiny_run(Path('run'), CrossModalityConfig(), CrossDomainConfig(name='b'))
    found = problems_of(config)
    with pytest.raises(ConfigError) as caught:
        check(config)
    assert str(caught.value).splitlines() == [
        f'{len(found)} settings are wrong:', *(f'  {problem}' for problem in found)
    ]  # fmt: skip
    assert len(found) == 3
