import pytest
import torch

from senet_nas.data.sampling import balanced, class_weights, shuffled

ORDERS = {"shuffle": shuffled, "balanced": balanced}


def labels(*counts):
    return torch.cat([torch.full((n,), k) for k, n in enumerate(counts)])


def order(name, y, seed=0):
    return ORDERS[name](y, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ORDERS)
def test_an_epoch_is_as_long_as_the_images_and_follows_from_the_generator(name):
    y = labels(40, 10, 3)
    assert len(order(name, y)) == 53
    assert torch.equal(order(name, y, 1), order(name, y, 1))
    assert not torch.equal(order(name, y, 1), order(name, y, 2))
    assert ((order(name, y) >= 0) & (order(name, y) < 53)).all()


def test_shuffled_holds_every_image_once():
    assert order("shuffle", labels(40, 10)).sort().values.tolist() == list(range(50))


@pytest.mark.parametrize("counts", [(40, 10, 3), (5, 5), (1, 30), (7, 0, 20)])
def test_balanced_holds_every_class_once_in_each_round(counts):
    y = labels(*counts)
    present = sum(n > 0 for n in counts)
    found = y[balanced(y, torch.Generator().manual_seed(3))]
    for i in range(0, len(found) - present + 1, present):
        assert len(found[i : i + present].unique()) == present


def test_balanced_shows_no_image_again_before_all_of_its_class_were_shown():
    y = labels(40, 10, 3)
    found = order("balanced", y)
    for label, n in enumerate((40, 10, 3)):
        shown = found[y[found] == label]
        for i in range(0, len(shown) - n + 1, n):
            assert len(shown[i : i + n].unique()) == n


def test_classes_take_turns_in_no_fixed_order():
    y = labels(300, 300, 300)
    turns = y[order("balanced", y)].view(-1, 3)
    assert len(turns.unique(dim=0)) == 6


@pytest.mark.parametrize("counts", [(40, 10, 3), (5, 5), (7, 0, 20)])
def test_class_weights_are_those_of_scikit_learn_and_their_mean_is_one(counts):
    from sklearn.utils.class_weight import compute_class_weight

    y = labels(*counts)
    found = class_weights(y, len(counts))
    present = y.unique().numpy()
    assert found[present].numpy() == pytest.approx(compute_class_weight("balanced", classes=present, y=y.numpy()))
    assert float(found[y].mean()) == pytest.approx(1)
    assert [bool(weight) for weight in found] == [bool(count) for count in counts]
