"""What the validation images can show."""

import numpy as np
import pytest

from search.results.evidence import Evidence
from search.results.validation_noise import Learned, Validation, learned, validation, validation_of
from search.state.facts import DataFact, Facts
from search.state.ledger import Ledger
from search.state.records import Outcome
from senet_nas.recipe import Seed
from tests.search import ledgers


def test_bits_tell_what_the_images_contribute():
    """Each image is right with probability 0.8, anew in each training: all noise comes from the images."""
    rng, images = np.random.default_rng(0), 1003
    group = [np.packbits(rng.random(images) < 0.8).tobytes() for _ in range(6)]
    expected = 100 * np.sqrt(0.8 * 0.2 / images)
    found = validation([group, group[:1]], images, sigma=expected)
    assert found.from_images == pytest.approx(expected, rel=0.1)
    assert found.share == pytest.approx(1, abs=0.2)
    assert "every labelled image" in found.words


def test_trainings_that_agree_on_every_image_have_no_noise_from_images():
    found = validation([[bytes(4), bytes(4)]], 32, sigma=0.3)
    assert found.share == 0
    assert "hardly help" in found.words


@pytest.mark.parametrize("groups", [[], [[bytes(4)]], [[bytes(3), bytes(3)]]])
def test_without_repeated_trainings_there_is_no_decomposition(groups):
    assert validation(groups, 32, sigma=0.3) is None


def test_doubling_the_images_is_priced_in_trainings():
    """Half of the variance from images: twice as many leave 3/4 of it, as 4/3 of the trainings would."""
    assert "33 % more trainings" in Validation(1000, 1.0, np.sqrt(0.5)).words


def test_two_trainings_disagree_by_a_count():
    """Of 16 images they disagree on 4: c is half of a quarter, and noise the root of c / 16."""
    bits = [np.packbits([1] * 16).tobytes(), np.packbits([1] * 12 + [0] * 4).tobytes()]
    found = validation([bits], 16, sigma=20.0)
    assert found.from_images == pytest.approx(100 * np.sqrt(0.125 / 16))
    assert found.share == pytest.approx(found.from_images**2 / 400)
    assert (found.images, found.sigma) == (16, 20.0)


def test_groups_count_by_what_they_can_compare():
    """Three trainings are two comparisons; bits of another length are left out."""
    same, other = np.packbits([1] * 16).tobytes(), np.packbits([1] * 8 + [0] * 8).tobytes()
    three = [same, same, other]
    found = validation([[same, other], three, [b"\x00"] * 2, [same]], 16, sigma=20.0)
    # count * (m - count) / (m (m - 1)) of the eight images that differ: 1/2 for two, 1/3 for three trainings.
    mean = (1 * 0.5 * 0.5 + 2 * 0.5 * 1 / 3) / 3
    assert found.from_images == pytest.approx(100 * np.sqrt(mean / 16))


def test_bits_that_fill_no_whole_byte_are_cut_off():
    """Nine images are two bytes, of which seven bits say nothing."""
    first, second = bytes([0xFF, 0x80]), bytes([0xFF, 0xFF])
    assert validation([[first, second]], 9, sigma=1.0).from_images == 0
    assert validation([[first[:1], second[:1]]], 9, sigma=1.0) is None


def test_the_share_is_at_most_all_of_the_noise():
    assert Validation(100, 1.0, 2.0).share == 1.0
    assert Validation(100, 2.0, 1.0).share == 0.25
    assert Validation(100, 0.0, 1.0).share == 0.0


def test_advice_depends_on_whether_images_cause_more_than_a_quarter():
    assert "causes only 25 % of the noise" in Validation(1000, 2.0, 1.0).words
    assert "would hardly help" in Validation(1000, 2.0, 1.0).words
    assert "14 % more trainings" in Validation(1000, 2.0, 1.0).words
    words = Validation(1000, 2.0, 1.01).words
    assert words.startswith("Having only 1,000 validation images causes 26 % of the noise")
    assert "validate on every labelled image" in words


# -- of a run ---------------------------------------------------------------------------------------------------------


def bits(*wrong):
    """Sixteen images, all right but some."""
    return np.packbits([i not in wrong for i in range(16)]).tobytes()


@pytest.fixture
def ledger():
    """Plain twice in block 0 and once in block 1, another one in block 0; one without bits."""
    ledger = Ledger(":memory:")
    plain, other = ledgers.enter(ledger)
    rows = [(plain, Seed(0, 0)), (plain, Seed(0, 1)), (plain, Seed(1, 0)), (other, Seed(0, 0)), (other, Seed(0, 1))]
    correct = [bits(), bits(1), bits(2, 3, 4), bits(5, 6), None]
    ledgers.play(ledger, rows, [Outcome({"val_accuracy": 90.0 + i}, correct=c) for i, c in enumerate(correct)])
    return ledger


def test_trainings_are_compared_within_an_architecture_and_a_block(ledger):
    assert validation_of(Evidence.of(ledger), 0.5) is None
    ledger.note(Facts(data=DataFact(validation=16)))
    found = validation_of(Evidence.of(ledger), 9.0)
    assert found == validation([[bits(), bits(1)]], 16, 9.0)


def test_what_plain_has_learned_is_its_mean_beside_guessing(ledger):
    assert learned(Evidence.of(ledger)) is None
    ledger.note(Facts(data=DataFact(classes=tuple("abcde"))))
    assert learned(Evidence.of(ledger)) == Learned(91.0, 20.0)


def test_without_a_result_of_plain_nothing_is_known():
    ledger = Ledger(":memory:")
    ledgers.enter(ledger)
    ledger.note(Facts(data=DataFact(classes=tuple("abcde"))))
    assert learned(Evidence.of(ledger)) is None


@pytest.mark.parametrize(
    ("accuracy", "everything", "words"),
    [
        (99.95, False, ""),
        (99.96, True, "no placement can gain"),
        (30.0, False, ""),
        (29.99, False, "too briefly"),
        (15.0, False, "too briefly"),
        (60.0, False, ""),
    ],
)
def test_there_must_be_room_on_both_sides(accuracy, everything, words):
    """Guessing is right on 20 %: less than half more than that is next to nothing."""
    found = Learned(accuracy, 20.0)
    assert found.has_everything() is everything
    assert (words in found.words()) if words else (found.words() == "")


def test_where_only_plain_has_learned_nothing_the_networks_differ():
    """That they were trained too briefly to differ stood above a placement that was likely better by 35 points."""
    words = Learned(25.0, 20.0, best_gain=35.0).words()
    assert "to differ" not in words
    assert "plain was trained too briefly" in words
    assert Learned(80.0, 20.0, best_gain=10.0).words() == ""


@pytest.mark.parametrize(("gain", "is_surpassed"), [(0.0, False), (0.7, False), (6.0, True)])
def test_a_placement_surpasses_plain_if_it_has_learned_itself(gain, is_surpassed):
    """Plain had 9.72 %, the likely placement 10.39 %, and guessing has 10."""
    ledger = Ledger(":memory:")
    ledger.note(Facts(data=DataFact(classes=tuple("abcdefghij"))))
    ledgers.train(ledger, ledgers.enter(ledger, [0.0])[0], [9.72])
    assert learned(Evidence.of(ledger), best_gain=gain).is_surpassed() is is_surpassed


def test_folds_of_different_size_are_weighed_by_their_own_images():
    """Half of the images of two folds change between two trainings: each accuracy has a variance of 1/4 / n."""
    rng = np.random.default_rng(3)
    sizes = (400, 100)
    groups = [[np.packbits(rng.random(n) < 0.5).tobytes() for _ in range(2)] for n in sizes for _ in range(100)]
    found = validation(groups, 250, 9.0, [n for n in sizes for _ in range(100)])
    assert found.from_images == pytest.approx(100 * np.sqrt((0.25 / 400 + 0.25 / 100) / 2), rel=0.03)
    assert found.images == 250


def test_a_run_with_folds_of_whole_groups_splits_its_noise(ledger):
    """Of five trainings, two of plain validate on fold 0 in one block; 16 and 24 images."""
    plain = ledger.entries[0]
    rows = [(plain, Seed(7, 1)), (plain, Seed(7, 3))]  # on fold 0
    ledgers.play(ledger, rows, [Outcome({"val_accuracy": 90.0}, correct=c) for c in (bits(), bits(1, 2))])
    ledger.note(Facts(data=DataFact(validation=16, folds=(16, 24))))
    found = validation_of(Evidence.of(ledger), 9.0)
    assert found == validation([[bits(), bits(1, 2)]], 20, 9.0, [16])
    assert found.from_images > 0
