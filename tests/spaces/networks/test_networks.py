"""Networks built from architectures have the published numbers of parameters and operations."""

from collections import defaultdict
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest

from nasarena.bench.experiment import registry
from nasarena.spaces.published import growing, nasbench201, text_encoder, translation

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from nasarena.spaces.flops import flops, parameters  # noqa: E402
from nasarena.spaces.networks import growing_network, text_encoder_network, translation_network  # noqa: E402
from nasarena.spaces.networks.nasbench201_network import Network  # noqa: E402

PROXIES = Path(__file__).parents[4] / "shared/data/nb201_zero-cost_proxies_cifar10.csv.gz"


def on_meta(arch, classes=10):
    with torch.device("meta"):
        return Network(arch, classes)


@pytest.fixture(scope="module")
def alike():
    """One architecture for each way to take six operations of five: the layers are the same."""
    found = defaultdict(list)
    for arch in nasbench201.SPACE:
        found[tuple(sorted(arch))].append(arch)
    assert len(found) == 210
    return found


def test_parameters_are_the_tables(alike):
    """In millions, for every cell and training seed but the 204 cells that are odd as published."""
    task = registry.task("nasbench201/cifar10")
    recorded = task.table.columns["parameters"][:, 0, :]
    odd = set()
    for archs in alike.values():
        built = parameters(on_meta(archs[0])) / 1e6
        for arch in archs:
            row = recorded[task.table.row_of[task.space.index(arch)]]
            if not np.allclose(row[~np.isnan(row)], built, rtol=0, atol=5e-7):
                odd.add(arch)
    assert len(odd) == 204


@pytest.mark.skipif(not PROXIES.is_file(), reason=f"{PROXIES} is not there")
def test_parameters_and_operations_are_those_published_for_9445_cells(alike):
    published = pd.read_csv(PROXIES)
    assert len(published) == 9445
    image = torch.zeros(1, 3, 32, 32, device="meta")
    built = {}
    for key, archs in alike.items():
        network = on_meta(archs[0])
        built[key] = parameters(network), flops(network, image)
    keys = [tuple(sorted(nasbench201.SPACE.parse(text))) for text in published["net_str"]]
    found = np.array([built[key] for key in keys]) / 1e6
    assert found == pytest.approx(published[["params", "flops"]].to_numpy(), abs=5e-7)


def test_a_network_can_be_trained():
    network = Network((3, 1, 2, 4, 0, 3), classes=7, width=4, cells=1)
    logits = network(torch.randn(5, 3, 16, 16))
    assert logits.shape == (5, 7)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_a_node_is_the_sum_of_what_comes_in():
    """Skips alone: every way from input to output passes the input on."""
    network = Network((1, 1, 1, 1, 1, 1), classes=2)
    cell = network.features[2]
    x = torch.randn(2, 16, 8, 8)
    assert torch.allclose(cell(x), 4 * x)
    lone = Network((0, 0, 0, 1, 0, 0), classes=2).features[2]
    assert torch.equal(lone(x), x)
    nothing = Network((0,) * 6, classes=2).features[2]
    assert torch.equal(nothing(x), torch.zeros_like(x))


@pytest.mark.parametrize("seed", range(30))
def test_text_encoders_do_not_see_padding(seed):
    rng = Random(seed)
    arch = text_encoder.SPACE.sample(rng)
    torch.manual_seed(seed)
    network = text_encoder_network.Network(arch, 3, vocabulary=50)
    tokens = torch.randint(1, 50, (4, 12))
    tokens[0, 5:] = text_encoder_network.PAD
    tokens[1] = text_encoder_network.PAD
    network(tokens).sum().backward()
    network.eval()
    logits = network(tokens)
    assert logits.shape == (4, 3) and logits.isfinite().all()
    longer = torch.cat([tokens, torch.zeros(4, 3, dtype=torch.long)], dim=1)
    assert torch.allclose(network(longer), logits, atol=1e-5)
    assert flops(network, tokens) > 0


@pytest.mark.parametrize("seed", range(30))
def test_translators_read_no_padding_and_nothing_that_comes_later(seed):
    rng = Random(seed)
    arch = translation.SPACE.sample(rng)
    torch.manual_seed(seed)
    network = translation_network.Network(arch, 40, 30).eval()
    source = torch.randint(3, 40, (4, 9))
    source[0, 4:] = 0
    target = torch.randint(3, 30, (4, 7))
    logits = network(source, target)
    assert logits.shape == (4, 7, 30) and logits.isfinite().all()
    longer = torch.cat([source, torch.zeros(4, 2, dtype=torch.long)], dim=1)
    assert torch.allclose(network(longer, target), logits, atol=1e-4)
    changed = target.clone()
    changed[:, 5:] = 3
    assert torch.allclose(network(source, changed)[:, :5], logits[:, :5], atol=1e-4)
    written = network.translate(source, 6)
    greedy = network(source, torch.cat([torch.full((4, 1), 1), written], dim=1))
    assert (greedy[:, 0].argmax(-1) == written[:, 0]).all()


@pytest.mark.parametrize("seed", range(30))
def test_growing_networks_take_images_of_any_size(seed):
    rng = Random(seed)
    arch = growing.SPACE.sample(rng)
    for height, width in ((8, 8), (28, 28), (5, 7)):
        network = growing_network.Network(arch, 4, channels=3, height=height, width=width)
        assert network(torch.randn(2, 3, height, width)).shape == (2, 4)
    same = growing_network.Network(growing.SPACE.canonical(arch), 4)
    assert parameters(same) == parameters(growing_network.Network(arch, 4))


def test_the_simplest_are_a_perceptron_and_a_bag_of_words():
    perceptron = growing_network.Network(growing.SPACE.simplest(), 10)
    assert [type(m) for m in perceptron.modules() if not list(m.children())][-1] is torch.nn.Linear
    assert parameters(perceptron) == 8 * 8 * 10 + 10
    bag = text_encoder_network.Network(text_encoder.SPACE.simplest(), 2, vocabulary=100).eval()
    tokens = torch.randint(1, 100, (3, 8))
    assert torch.allclose(bag(tokens), bag(tokens.flip(1)), atol=1e-6)
    assert growing.SPACE.describe(growing.SPACE.small_cnn()) == (
        "conv_3x3(8) → conv_3x3(16) → linear"
    )
