# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import math

import pytest
import torch

from spike_training.learning.adversarial import domain_loss
from spike_training.learning.losses import (
    OFFSET,
    affine_loss,
    gradient_loss,
    si_loss,
    si_loss_absolute,
    si_loss_over_all,
    si_loss_rooted,
    soft_error,
    uncertainty_loss,
)

LN2 = math.log(2)
SI = pytest.mark.parametrize('si', [si_loss, si_loss_rooted, si_loss_absolute])
BAD = pytest.mark.parametrize('bad', [math.nan, math.inf, 0.0, -1.0])


def image(rows, requires_grad=False):
    return torch.tensor([[rows]], dtype=torch.float64, requires_grad=requires_grad)


def images(*rows):
    return torch.cat([image(row) for row in rows])


def everywhere(like):
    return torch.ones_like(like, dtype=torch.bool)


def close(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected).to(found), rtol=1e-6, atol=1e-7)


def unc_of_pred(pred, reference, weight):
    """The uncertainty's loss as a function of what the other two losses take."""
    return uncertainty_loss(pred, torch.full_like(pred, 1.5), reference, weight)


class TestSiLoss:
    def test_known_value(self):
        pred, reference = image([[1.0, 2.0]]), image([[1.0, 1.0]])  # d = 0, ln 2
        found = si_loss(pred, reference, everywhere(pred), lam=0.5)
        close(found, [LN2**2 / 2 - 0.5 * (LN2 / 2) ** 2])

    @pytest.mark.parametrize(('si', 'all_of_it'), [(si_loss, LN2**2), (si_loss_absolute, LN2)])
    @pytest.mark.parametrize('lam', [0.0, 0.5, 1.0])
    def test_lambda_says_how_much_of_a_global_scale_is_forgiven(self, si, all_of_it, lam):
        reference = image([[1.0, 3.0], [0.5, 40.0]])
        close(si(2 * reference, reference, everywhere(reference), lam), [(1 - lam) * all_of_it])

    def test_equals_the_printed_formula(self):
        generator = torch.Generator().manual_seed(0)
        pred, reference = 0.3 + 9 * torch.rand(2, 3, 1, 5, 7, generator=generator).double()
        d, n = pred.log() - reference.log(), 35
        expected = d.square().sum((1, 2, 3)) / n - 0.7 / n**2 * d.sum((1, 2, 3)).square()
        found = si_loss(pred, reference, everywhere(pred), lam=0.7)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


class TestSiLossOverAll:
    def test_it_is_that_of_the_kept_pixels_where_all_are_kept(self):
        pred, reference = image([[1.0, 2.0], [3.0, 5.0]]), image([[1.0, 1.0], [2.0, 9.0]])
        found = si_loss_over_all(pred, reference, everywhere(pred), lam=0.7)
        torch.testing.assert_close(found, si_loss(pred, reference, everywhere(pred), lam=0.7))

    def test_what_a_filter_leaves_out_lowers_the_loss(self):
        """By hand: d is ln 2 in one of four pixels, of which two count."""
        pred, reference = image([[1.0, 2.0], [3.0, 5.0]]), image([[1.0, 1.0], [2.0, 9.0]])
        kept = torch.tensor([[[[True, True], [False, False]]]])
        found = si_loss_over_all(pred, reference, kept, lam=0.5)
        close(found, [LN2**2 / 4 - 0.5 * (LN2 / 4) ** 2])
        assert found < si_loss(pred, reference, kept, lam=0.5)

    def test_what_is_unknown_counts_as_left_out(self):
        pred = image([[1.0, 2.0]], requires_grad=True)
        loss = si_loss_over_all(pred, image([[math.nan, 1.0]]), everywhere(pred), lam=0.5)
        close(loss, [LN2**2 / 2 - 0.5 * (LN2 / 2) ** 2])
        loss.sum().backward()
        assert pred.grad.isfinite().all()


class TestSiLossRooted:
    def test_known_value(self):
        # d = 0, ln 2 with the offset: variance (ln 2 / 2)^2, mean ln 2 / 2
        pred, reference = image([[1.0, 2 + OFFSET]]), image([[1.0, 1.0]])
        found = si_loss_rooted(pred, reference, everywhere(pred), lam=0.85)
        close(found, [LN2 / 2 * math.sqrt(1 + 0.15)])

    def test_perfect_prediction_has_no_gradient(self):
        pred = image([[1.0, 2.0]], requires_grad=True)
        loss = si_loss_rooted(pred, pred.detach().clone(), everywhere(pred))
        loss.sum().backward()
        close(loss.detach(), [0.0])
        close(pred.grad, [[[[0.0, 0.0]]]])


class TestSiLossAbsolute:
    def test_known_value(self):
        # d = 0, ln 2, 3 ln 2, of which half the mean is taken: 2/3 ln 2
        pred, reference = image([[1.0, 2.0, 8.0]]), image([[1.0, 1.0, 1.0]])
        found = si_loss_absolute(pred, reference, everywhere(pred), lam=0.5)
        close(found, [(2 / 3 + 1 / 3 + 7 / 3) * LN2 / 3])

    def test_it_prefers_one_of_two_depths_where_squares_prefer_what_lies_between(self):
        """Of three labels of one pixel two are 1 m and one is 4 m."""
        labels = image([[1.0, 1.0, 4.0]])

        def of(loss, depth):
            return loss(torch.full_like(labels, depth), labels, everywhere(labels), lam=0.0)

        assert of(si_loss_absolute, 1.0) < of(si_loss_absolute, 4 ** (1 / 3))
        assert of(si_loss, 1.0) > of(si_loss, 4 ** (1 / 3))


class TestMasks:
    @SI
    def test_what_is_masked_does_not_count(self, si):
        pred, reference = image([[1.0, 2.0, 50.0]]), image([[1.0, 1.0, 1.0]])
        weight = image([[1, 1, 0]]).bool()
        alone = si(pred[..., :2], reference[..., :2], weight[..., :2])
        close(si(pred, reference, weight), alone.tolist())

    @SI
    def test_a_weight_of_two_is_the_pixel_twice(self, si):
        once = si(image([[1.0, 2.0, 2.0]]), image([[1.0, 1.0, 1.0]]), image([[1.0, 1.0, 1.0]]))
        twice = si(image([[1.0, 2.0]]), image([[1.0, 1.0]]), image([[0.1, 0.2]]))
        close(twice, once.tolist())

    @SI
    @BAD
    def test_a_bad_reference_is_left_out(self, si, bad):
        pred = image([[1.0, 2.0, 3.0]], requires_grad=True)
        reference = image([[1.0, 1.0, bad]])
        loss = si(pred, reference, everywhere(pred))
        loss.sum().backward()
        rest = image([[1.0, 2.0]]), image([[1.0, 1.0]]), image([[1.0, 1.0]])
        close(loss.detach(), si(*rest).tolist())
        assert pred.grad.isfinite().all()
        assert pred.grad[..., 2] == 0

    @SI
    def test_a_bad_prediction_is_not_hidden(self, si):
        pred = image([[1.0, math.nan]])
        assert si(pred, image([[1.0, 1.0]]), everywhere(pred)).isnan().all()

    @SI
    def test_a_bad_prediction_that_is_masked_does_not_count(self, si):
        pred = image([[1.0, 2.0, math.nan]], requires_grad=True)
        weight = image([[1, 1, 0]]).bool()
        loss = si(pred, image([[1.0, 1.0, 1.0]]), weight)
        loss.sum().backward()
        assert loss.isfinite().all()
        assert pred.grad.isfinite().all()

    @pytest.mark.parametrize('loss', [si_loss, si_loss_rooted, si_loss_absolute, unc_of_pred])
    def test_nothing_to_compare_is_a_zero_without_gradient(self, loss):
        pred = images([[1.0, 2.0]], [[1.0, 2.0]]).requires_grad_()
        reference = images([[1.0, 1.0]], [[math.nan, math.inf]])
        found = loss(pred, reference, everywhere(pred))
        found.sum().backward()
        assert found[0] > 0
        assert found[1] == 0
        assert pred.grad[0].abs().sum() > 0
        assert (pred.grad[1] == 0).all()

    @pytest.mark.parametrize('loss', [si_loss, si_loss_rooted, si_loss_absolute, unc_of_pred])
    def test_images_do_not_mix(self, loss):
        pred, reference = images([[1.0, 2.0]], [[5.0, 3.0]]), images([[2.0, 2.0]], [[4.0, 8.0]])
        both = loss(pred, reference, everywhere(pred))
        for i in range(2):
            one = slice(i, i + 1)
            close(loss(pred[one], reference[one], everywhere(pred[one])), both[one].tolist())

    @pytest.mark.parametrize('loss', [si_loss, si_loss_rooted, si_loss_absolute, unc_of_pred])
    def test_shapes_must_agree(self, loss):
        pred = image([[1.0, 2.0]])
        for reference, weight in (
            (image([[1.0]]), everywhere(pred)),
            (pred, everywhere(image([[1.0]]))),
        ):
            with pytest.raises(ValueError, match='shapes'):
                loss(pred, reference, weight)


class TestUncertainty:
    def test_the_error_is_not_clipped_where_there_is_no_limit(self):
        pred, reference = image([[1.0, 6.0]]), image([[1.0, 2.0]])
        close(soft_error(pred, reference, None), [[[[0.0, 2.0]]]])
        u = image([[0.5, 0.5]])
        close(uncertainty_loss(u, pred, reference, everywhere(u), None), [(0.5 + 1.5) / 2])
        close(uncertainty_loss(u, pred, reference, everywhere(u), 0.8), [(0.5 + 0.3) / 2])

    def test_soft_error_known_value_and_clip(self):
        pred, reference = image([[1.5, 9.0, 2.0, 1.0]]), image([[1.0, 1.0, 4.0, math.nan]])
        found = soft_error(pred, reference)
        torch.testing.assert_close(
            found, image([[0.5, 1.0, 0.5, math.nan]]).to(found), equal_nan=True
        )

    def test_known_value(self):
        u = image([[0.1, 0.3]])
        pred, reference = image([[1.2, 2.0]]), image([[1.0, 4.0]])  # errors 0.2, 0.5
        close(uncertainty_loss(u, pred, reference, everywhere(u)), [(0.1 + 0.2) / 2])

    def test_only_the_uncertainty_has_a_gradient(self):
        u = image([[0.1, 0.9]], requires_grad=True)
        pred = image([[1.2, 2.0]], requires_grad=True)
        reference = image([[1.0, 4.0]], requires_grad=True)
        uncertainty_loss(u, pred, reference, everywhere(u)).sum().backward()
        close(u.grad, [[[[-0.5, 0.5]]]])
        assert pred.grad is None
        assert reference.grad is None

    def test_a_bad_reference_is_left_out(self):
        u = image([[0.1, 0.9]], requires_grad=True)
        loss = uncertainty_loss(u, image([[1.2, 2.0]]), image([[1.0, math.nan]]), everywhere(u))
        loss.sum().backward()
        close(loss.detach(), [0.1])
        close(u.grad, [[[[-1.0, 0.0]]]])


@pytest.mark.parametrize('loss', [si_loss, si_loss_rooted, si_loss_absolute, unc_of_pred])
def test_gradient_equals_finite_differences(loss):
    generator = torch.Generator().manual_seed(3)
    pred, reference, weight = 0.5 + 3 * torch.rand(3, 2, 1, 3, 4, generator=generator).double()
    reference[0, 0, 0, 0] = math.nan
    weight[1, 0, 2] = 0
    pred.requires_grad_()
    loss(pred, reference, weight).sum().backward()
    step = 1e-4
    with torch.no_grad():
        for place in [(0, 0, 0, 0), (0, 0, 1, 2), (1, 0, 2, 1), (1, 0, 0, 3)]:
            up, down = pred.clone(), pred.clone()
            up[place] += step
            down[place] -= step
            slope = (loss(up, reference, weight) - loss(down, reference, weight)).sum()
            assert pred.grad[place].item() == pytest.approx(slope.item() / (2 * step), abs=2e-6)


def test_gradient_loss_by_hand():
    reference = torch.ones(1, 1, 2, 3)
    pred = torch.tensor([[[[1.0, 2.0, 2.0], [1.0, 2.0, 4.0]]]])
    weight = torch.ones_like(pred)
    log2 = LN2
    # Along rows the log differences are 1, 0, 1, 1 times log 2, along columns 0, 0, 1.
    found = gradient_loss(pred, reference, weight, scales=1)
    torch.testing.assert_close(found, torch.tensor([(3 / 4 + 1 / 3) * log2]))
    # Every second pixel: 1 and 2 in one row.
    found = gradient_loss(pred, reference, weight, scales=2)
    torch.testing.assert_close(found, torch.tensor([(3 / 4 + 1 / 3 + 1) * log2]))


def test_gradient_loss_ignores_scale_and_what_does_not_count():
    torch.manual_seed(0)
    reference = torch.rand(2, 1, 9, 11) + 0.5
    reference[1, 0, 3, 4] = math.nan
    weight = torch.ones_like(reference)
    weight[0, 0, :, 5] = 0
    assert gradient_loss(3 * reference, reference, weight).abs().max() < 1e-5
    pred = torch.rand(2, 1, 9, 11, requires_grad=True)
    gradient_loss(pred, reference, weight).sum().backward()
    assert pred.grad[0, 0, :, 5].abs().max() == 0
    assert pred.grad[1, 0, 3, 4] == 0
    assert pred.grad.isfinite().all()
    assert gradient_loss(pred, reference, torch.zeros_like(weight)).tolist() == [0.0, 0.0]


FLOAT64 = torch.float64


def features(*shape, seed=0, **keywords):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=FLOAT64, **keywords)


class TestDomainLoss:
    def test_known_values(self):
        sure, unsure = math.log(0.9 / 0.1), 0.0
        logits = torch.tensor([sure, unsure, -sure], dtype=FLOAT64)
        expected = [-2 * math.log(0.9), 2 * LN2, -2 * math.log(0.1)]
        close(torch.stack([domain_loss(one, -one) for one in logits]), expected)

    def test_numbers_of_tokens_may_differ(self):
        one, other = features(6), features(2, 4, seed=1)
        means = -one.sigmoid().log().mean() - (1 - other.sigmoid()).log().mean()
        torch.testing.assert_close(domain_loss(one, other), means)

    def test_it_falls_as_the_discriminator_gets_better(self):
        source = torch.zeros(1, requires_grad=True)
        target = torch.zeros(1, requires_grad=True)
        domain_loss(source, target).backward()
        assert source.grad < 0  # "source" is said louder
        assert target.grad > 0

    def test_gradient(self):
        logits = features(4, requires_grad=True), features(4, seed=1, requires_grad=True)
        assert torch.autograd.gradcheck(domain_loss, logits)

    def test_logits_of_any_size_are_finite(self):
        logit = torch.tensor([-1e4, 1e4], requires_grad=True)
        found = domain_loss(logit, logit)
        found.backward()
        assert found == 1e4
        assert logit.grad.isfinite().all()


class TestAffineLoss:
    @staticmethod
    def depths():
        """Two images of depth, and some relative depth of theirs: disparity times 3, plus 0.2."""
        depth = 1 + 9 * torch.rand(2, 1, 6, 7, generator=torch.Generator().manual_seed(0)).double()
        return depth, 1 / (3 / depth + 0.2)

    @pytest.mark.parametrize('gradient_weight', [0.0, 0.5])
    def test_scale_and_shift_of_the_label_cost_nothing(self, gradient_weight):
        depth, relative = self.depths()
        for factor in (1.0, 0.01, 50.0):
            found = affine_loss(factor * depth, relative, everywhere(depth), gradient_weight)
            close(found, [0.0, 0.0])

    def test_a_constant_costs_1_and_the_negative_more(self):
        depth, relative = self.depths()
        close(affine_loss(torch.full_like(depth, 3), relative, everywhere(depth)), [1.0, 1.0])
        inside_out = 1 / (1.1 - 1 / depth)
        assert (affine_loss(inside_out, relative, everywhere(depth)) > 1.05).all()

    def test_by_hand(self):
        # Disparities 1, 2, 3 and label 0, 0, 3 (+ 1): fitted by 1.5 x - 2, off by .5, 1, .5;
        # the label is off its mean by 1, 1, 2.
        pred, label = image([[1, 1 / 2, 1 / 3]]), image([[1, 1, 1 / 4]])
        close(affine_loss(pred, label, everywhere(pred)), [2 / 4])

    def test_a_prediction_that_is_inside_out_learns(self):
        label = image([[1, 1 / 2, 1 / 3]])
        pred = image([[1 / 3, 1 / 2, 1]], requires_grad=True)
        affine_loss(pred, label, everywhere(pred)).sum().backward()
        assert pred.grad[0, 0, 0, 0] < 0 < pred.grad[0, 0, 0, 2]  # farther; nearer

    def test_a_factor_on_the_prediction_gains_nothing(self):
        # Else the deviation of a prediction that is not perfect would grow without end.
        depth, relative = self.depths()
        noise = torch.rand(depth.shape, generator=torch.Generator().manual_seed(1)).double()
        factor = torch.ones((), dtype=torch.float64, requires_grad=True)
        affine_loss(factor * (depth + noise), relative, everywhere(depth), 0.5).sum().backward()
        assert abs(factor.grad) < 1e-6

    @pytest.mark.parametrize('weight', [0.0, 0.5])
    def test_unknown_pixels_and_those_of_weight_0_do_not_count(self, weight):
        depth, relative = self.depths()
        wrong, holes = depth.clone(), relative.clone()
        wrong[..., 0, 0], holes[..., 0, 0] = 77.0, math.nan
        wrong[..., 1, 1] = math.nan
        weights = torch.ones_like(depth)
        weights[..., 1, 1] = 0
        wrong.requires_grad_()
        loss = affine_loss(wrong, holes, weights, weight)
        close(loss.detach(), [0.0, 0.0])
        loss.sum().backward()
        assert wrong.grad.isfinite().all()

    def test_an_image_without_labels_costs_nothing(self):
        pred = torch.full((1, 1, 2, 3), 2.0, requires_grad=True)
        loss = affine_loss(pred, torch.full((1, 1, 2, 3), math.nan), everywhere(pred), 1.0)
        loss.sum().backward()
        assert loss.item() == 0
        assert not pred.grad.any()
