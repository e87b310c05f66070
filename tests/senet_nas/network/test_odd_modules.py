"""Other people's modules (faults 6, 7, 8): each trains, exports and reloads, or is refused clearly."""

import math
import sys
import warnings

import pytest
import torch
from safetensors.torch import load_file

from senet_nas import user_code
from senet_nas.costs.overhead import price_list
from senet_nas.data.load import Data
from senet_nas.export import bundle
from senet_nas.export.forms import OWN_TOLERANCE
from senet_nas.network.backbones import own_output
from senet_nas.network.build import build, sites
from senet_nas.recipe import Recipe, Seed
from senet_nas.training.evaluate import save
from senet_nas.training.train import Training
from spaces import Architecture, UserError
from spaces.spec import fill
from tests.senet_nas.network.odd_modules import FORMS, HEAD, MODULE, NET, having

SHAPE = (1, 8, 8)
CLASSES = 4
X = torch.randint(0, 256, (24, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
Y = torch.arange(24) % CLASSES
DATA = Data(X, Y, X[:8], Y[:8], X[:8], Y[:8], tuple("abcd"), (0.5,), (0.25,), flip=False, crop=0, fingerprint="")
SE = {"reduction": "4", "position": "output", "squeeze": "avg", "excitation": "fc", "gate": "sigmoid"}


@pytest.fixture
def backbone(request, tmp_path, monkeypatch):
    """The name of the network of a case, which lies in a module of its own."""
    source, places, _ = FORMS[request.param]
    (tmp_path / f"{MODULE}.py").write_text(HEAD + source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    user_code.look_in(tmp_path)
    sites.cache_clear()
    yield f"{MODULE}:net@{places}"
    sys.modules.pop(MODULE, None)
    sites.cache_clear()


def networks(backbone):
    """Plain and SE everywhere, built and looked at as a search does before it begins."""
    units = sites(backbone)
    full = Architecture(backbone, tuple(fill(site, SE) for site in units))
    for architecture in (Architecture.plain(backbone, len(units)), full):
        network = build(architecture, in_channels=SHAPE[0], num_classes=CLASSES)
        own_output.check(network, f"{MODULE}:net", SHAPE, CLASSES)
        yield architecture, network


def export(network, architecture, folder):
    return bundle.export(
        network,
        architecture,
        folder,
        input_shape=SHAPE,
        mean=[0.5],
        std=[0.5],
        classes=list("abcd"),
        forms=["model.py"],
    )


@pytest.mark.parametrize("backbone", [name for name, form in FORMS.items() if form[2] is None], indirect=True)
def test_what_is_accepted_trains_exports_and_reloads_with_equal_outputs(backbone, tmp_path, request):
    tolerance = OWN_TOLERANCE if "fused" in request.node.callspec.id else 0
    for number, (architecture, network) in enumerate(networks(backbone)):
        training = Training(network, DATA, Recipe(epochs=2, batch_size=4, lr=0.01), seed=Seed(0))
        for _ in range(2):
            assert math.isfinite(training.epoch()["grad_norm"])
        network.to(memory_format=torch.contiguous_format)
        save(network, tmp_path / "w.safetensors")
        again = build(architecture, in_channels=SHAPE[0], num_classes=CLASSES)
        again.load_state_dict(load_file(tmp_path / "w.safetensors"))
        x = torch.randn(2, *SHAPE)
        with torch.no_grad():
            assert torch.equal(user_code.evaluating(network)(x), user_code.evaluating(again)(x))
        assert export(again, architecture, tmp_path / str(number)).differences["model.py"] <= tolerance


@pytest.mark.parametrize("backbone", [name for name, form in FORMS.items() if form[2]], indirect=True)
def test_what_is_refused_is_one_clear_error(backbone, request, tmp_path):
    part = FORMS[request.node.callspec.params["backbone"]][2]
    with warnings.catch_warnings(), pytest.raises(UserError) as caught:
        warnings.simplefilter("ignore")
        for architecture, network in networks(backbone):
            export(network, architecture, tmp_path / architecture.key.replace("/", "_")[-20:])
    assert part in caught.value.message
    assert caught.value.key in ("model.backbone", "model.sites")


def test_one_unit_in_the_forward_of_the_network_itself_has_a_price(tmp_path, monkeypatch):
    source = having(
        "self.more = nn.Conv2d(8, 8, 1)",
        forward="y = self.body(x)\n        return self.head((y + F.relu(self.more(y))).mean((2, 3)))",
    )
    (tmp_path / "oddroot.py").write_text(HEAD + source + NET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    user_code.look_in(tmp_path)
    prices = price_list("oddroot:net", in_channels=1, num_classes=CLASSES, image_size=8)
    assert prices.sides == (dict.fromkeys(("pre_addition", "post_addition", "pre_unit", "identity"), (8, 8)),)


def test_there_are_sixty_forms():
    assert len(FORMS) >= 60
