"""Classes of a deployed form beside those of its network, on the same images."""

import pytest
import torch

from senet_nas.deploy.paired_images import classes, paired


def test_classes_of_both_are_counted_in_pairs():
    y_N = torch.tensor([0, 0, 1, 1, 2])
    found = paired(torch.tensor([0, 0, 1, 2, 1]), torch.tensor([0, 1, 1, 1, 1]), y_N)
    assert (found.n, found.right, found.lost, found.won, found.same) == (5, 3, 1, 1, 3)
    assert (found.accuracy, found.drop, found.agreement) == (60, 0, 60)
    low, high = found.interval
    assert low == pytest.approx(-high)
    assert found.agreement_interval[0] < 60 < found.agreement_interval[1]


def test_the_drop_of_a_form_covers_the_truth():
    """In 19 of 20 draws of images; an interval that is too narrow would miss more often."""
    generator = torch.Generator().manual_seed(0)
    lost, won, hits = 0.03, 0.01, 0
    for _ in range(400):
        u_N = torch.rand(500, generator=generator)
        network_N = (u_N >= won).long()  # 1 is right
        form_N = ((u_N < won) | (u_N >= won + lost)).long()
        low, high = paired(network_N, form_N, torch.ones(500, dtype=torch.long)).interval
        hits += low <= 100 * (lost - won) <= high
    assert 0.93 <= hits / 400 <= 0.98


def test_images_are_classified_batch_by_batch():
    x = torch.arange(600.0).reshape(600, 1)
    seen = []

    def form(part):
        seen.append(len(part))
        return torch.cat([part, 300 - part], 1)

    found_N = classes(form, x, lambda part: part)
    assert seen == [256, 256, 88]
    assert found_N.tolist() == [int(300 - i > i) for i in range(600)]
