"""Supernets: a path of one is the network of its architecture, and mixtures are sums of these."""

from functools import cache
from itertools import pairwise
from random import Random

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from nasarena.spaces.flops import parameters  # noqa: E402
from nasarena.spaces.networks import nasbench201_network  # noqa: E402
from nasarena.spaces.networks import text_encoder_network as encoder_network  # noqa: E402
from nasarena.spaces.networks.nasbench201_supernet import Supernet as Cells  # noqa: E402
from nasarena.spaces.networks.text_encoder_supernet import Supernet as Encoder  # noqa: E402
from nasarena.spaces.published import nasbench201, text_encoder  # noqa: E402

IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1))
TOKENS = torch.randint(1, 50, (5, 9), generator=torch.Generator().manual_seed(1))
TOKENS[0, 4:] = 0
TOKENS[1, 1:] = 0
SEVERAL = [text_encoder.SPACE.sample(Random(i)) for i in range(20)]


@cache
def cells():
    torch.manual_seed(0)
    return Cells(4, width=4, cells=2)


@cache
def encoder():
    torch.manual_seed(0)
    return Encoder(3, vocabulary=50, dropout=0.0)


def one_hot(space, arch):
    pairs = zip(space.sizes, arch, strict=True)
    return [torch.nn.functional.one_hot(torch.tensor(c), n).float() for n, c in pairs]


def lone_cells(net, arch):
    """The network of its own with the supernet's weights."""
    alone = nasbench201_network.Network(arch, 4, width=4, cells=2)
    for layer, shared in zip(alone.features, net.features, strict=True):
        if isinstance(layer, nasbench201_network.Cell):
            for operation, edge, choice in zip(layer.operations, shared.edges, arch, strict=True):
                operation.load_state_dict(edge[choice].state_dict(), strict=False)
        else:
            layer.load_state_dict(shared.state_dict(), strict=False)
    alone.classifier.load_state_dict(net.classifier.state_dict())
    return alone.train()  # its normalization then takes the minibatch's statistics


def lone_encoder(net, arch):
    alone = encoder_network.Network(arch, 3, vocabulary=50, dropout=0.0)
    shared = net.widths[arch[-1]]
    alone.embedding.load_state_dict(shared.embedding.state_dict())
    alone.classifier.load_state_dict(shared.classifier.state_dict())
    alone.pool.load_state_dict(shared.pools[arch[-2]].state_dict())
    for node, choice, operations in zip(
        alone.nodes, (arch[0], arch[1], arch[3]), shared.nodes, strict=True
    ):
        node.load_state_dict(operations[choice].state_dict())
    return alone


@pytest.mark.parametrize("seed", range(5))
def test_a_path_of_cells_is_the_network_of_its_own(seed):
    arch = nasbench201.SPACE.sample(Random(seed))
    net = cells()
    alone = lone_cells(net, arch)
    torch.testing.assert_close(net(IMAGES, path=arch), alone(IMAGES))


def test_another_path_is_another_network():
    first, second = (3, 0, 0, 0, 1, 2), (2, 0, 0, 0, 1, 2)
    assert not torch.allclose(cells()(IMAGES, path=first), cells()(IMAGES, path=second), atol=1e-3)


@pytest.mark.parametrize("arch", SEVERAL, ids=text_encoder.SPACE.describe)
def test_a_path_of_the_encoder_is_the_network_of_its_own(arch):
    net = encoder()
    torch.testing.assert_close(net(TOKENS, path=arch), lone_encoder(net, arch)(TOKENS))


@pytest.mark.parametrize(
    ("net", "inputs", "space"),
    [(cells, IMAGES, nasbench201.SPACE), (encoder, TOKENS, text_encoder.SPACE)],
    ids=["cells", "encoder"],
)
def test_a_mixture_that_is_all_one_architecture_is_its_path(net, inputs, space):
    net = net()
    for seed in range(4):
        arch = space.sample(Random(seed))
        path, weights = net(inputs, path=arch), one_hot(space, arch)
        torch.testing.assert_close(net(inputs, weights), path)
        torch.testing.assert_close(net(inputs, weights, arch), path)


def test_an_edge_is_the_weighted_sum_of_its_operations():
    torch.manual_seed(0)
    cell = cells().features[2]
    x, weights = torch.randn(2, 4, 8, 8), torch.tensor([0.4, 0.1, 0.2, 0.25, 0.05])
    # Only the edge from input to output is open.
    closed = torch.tensor([1.0, 0, 0, 0, 0])
    y = cell(x, [weights if e == (0, 3) else closed for e in nasbench201.EDGES], None)
    edge = cell.edges[nasbench201.EDGES.index((0, 3))]
    expected = sum(w * op(x) for w, op in zip(weights[1:], list(edge)[1:], strict=True))
    torch.testing.assert_close(y, expected)


def test_the_parameters_of_cells_equal_the_formula():
    width, per_stage, classes = 16, 5, 10
    sizes = [width, 2 * width, 4 * width]
    # Every edge has a 1 x 1 and a 3 x 3 convolution; normalization has no parameters.
    edges = sum(per_stage * 6 * (1 + 9) * size**2 for size in sizes)
    stem, classifier = 27 * width, classes * (sizes[-1] + 1)
    reductions = sum(9 * a * b + 9 * b * b + a * b for a, b in pairwise(sizes))
    assert parameters(Cells(classes)) == edges + stem + classifier + reductions == 1685562


def test_the_parameters_of_the_encoder_equal_the_formula():
    total, vocabulary, classes = 0, 50, 3
    for w in text_encoder.WIDTHS:
        convolutions = w * w * 3 + w + w * w * 5 + w
        # Both ways: gates times (inputs + states + two biases) of half the units.
        recurrent = sum(2 * gates * (w // 2) * (w + w // 2 + 2) for gates in (4, 3))
        attention = 4 * w * w + 4 * w + 2 * w
        total += 3 * (convolutions + recurrent + attention)
        total += vocabulary * w + (w + 1) + (w * classes + classes)
    assert parameters(encoder()) == total


def test_no_gradient_reaches_what_a_path_leaves_out():
    net, arch = (
        cells(),
        nasbench201.SPACE.parse(
            "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|"
        ),
    )
    net(IMAGES, path=arch).sum().backward()
    edges = net.features[2].edges
    assert edges[0][3][1].weight.grad is not None
    assert edges[0][2][1].weight.grad is None
    assert edges[5][2][1].weight.grad is not None
