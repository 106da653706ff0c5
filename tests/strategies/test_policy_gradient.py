from itertools import product
from random import Random

import numpy as np
import pytest
from driving import drive

from nasarena.strategies._shared.controllers import (
    LogitsController,
    LstmController,
    Rewards,
    new_controller,
)
from nasarena.strategies.ppo import PPO, Critic, clipped
from nasarena.strategies.reinforce import Reinforce


def logits(problem, seed=0):
    return LogitsController(problem.space, Random(seed), 0.05)


def lstm(problem, seed=0):
    pytest.importorskip("torch")
    return LstmController(problem.space, Random(seed), 0.01)


KINDS = [logits, pytest.param(lstm, marks=pytest.mark.torch)]


@pytest.mark.parametrize("make", KINDS)
def test_probabilities_of_all_architectures_add_up_to_one(make, problem):
    controller = make(problem)
    every = list(problem.space)
    for _ in range(3):
        chances = np.exp(controller.log_probabilities(every).sum(axis=1))
        assert chances.sum() == pytest.approx(1, abs=1e-5)
        controller.ascend([(1, 2, 0, 1), (3, 0, 1, 2)], np.array([[1.0] * 4, [-0.5] * 4]), 0.1)


@pytest.mark.parametrize("make", KINDS)
def test_a_controller_samples_what_its_probabilities_say(make, problem):
    controller = make(problem)
    for _ in range(20):
        controller.ascend([(1, 2, 0, 1)], np.ones((1, 4)), 0.0)
    drawn = [controller.sample() for _ in range(600)]
    wanted = np.exp(controller.log_probabilities([(1, 2, 0, 1)]).sum())
    assert wanted > 0.05
    assert drawn.count((1, 2, 0, 1)) / 600 == pytest.approx(wanted, abs=0.08)


@pytest.mark.parametrize("make", KINDS)
def test_ascending_makes_rewarded_choices_likelier_and_others_less(make, problem):
    controller = make(problem)
    good, bad = (0, 1, 1, 2), (3, 2, 0, 0)
    before = controller.log_probabilities([good, bad]).sum(axis=1)
    for _ in range(5):
        controller.ascend([good, bad], np.array([[1.0] * 4, [-1.0] * 4]), 0.0)
    after = controller.log_probabilities([good, bad]).sum(axis=1)
    assert after[0] > before[0]
    assert after[1] < before[1]


@pytest.mark.parametrize("make", KINDS)
def test_the_entropy_bonus_flattens(make, problem):
    controller = make(problem)
    for _ in range(5):
        controller.ascend([(0, 0, 0, 0)], np.ones((1, 4)), 0.0)
    sharp = controller.log_probabilities([(0, 0, 0, 0)]).sum()
    for _ in range(60):
        controller.ascend([(0, 0, 0, 0)], np.zeros((1, 4)), 1.0)
    assert controller.log_probabilities([(0, 0, 0, 0)]).sum() < sharp


def test_the_gradient_of_the_logits_is_that_of_the_objective(problem):
    controller = logits(problem)
    rng = np.random.default_rng(0)
    controller._logits = np.where(controller._padding, -np.inf, rng.normal(size=(4, 4)))
    controller._refresh()
    archs = [(1, 2, 0, 1), (3, 0, 1, 2), (3, 2, 1, 0)]
    weights = rng.normal(size=(3, 4))

    def objective(at):
        chances = np.exp(at) / np.exp(at).sum(axis=1, keepdims=True)
        logs = np.log(np.where(controller._padding, 1.0, chances))
        taken = logs[np.arange(4), np.array(archs)]
        return (weights * taken).sum(axis=1).mean() - 0.3 * (chances * logs).sum(axis=1).mean()

    caught = []
    controller._adam.step = lambda gradient: caught.append(gradient) or 0 * gradient
    start = controller._logits.copy()
    controller.ascend(archs, weights, 0.3)
    for place in product(range(4), repeat=2):
        if not controller._padding[place]:
            shifted = [start.copy(), start.copy()]
            shifted[0][place] += 1e-5
            shifted[1][place] -= 1e-5
            slope = (objective(shifted[0]) - objective(shifted[1])) / 2e-5
            assert caught[0][place] == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("make", KINDS)
def test_decisions_that_do_not_count_have_no_probability(make, conditional):
    controller = make(conditional)
    assert controller.log_probabilities([(0, 1)])[0, 1] == 0
    assert controller.log_probabilities([(1, 1)])[0, 1] < 0
    assert all(conditional.space.is_valid(controller.sample()) for _ in range(50))


def test_a_clipped_action_is_not_pushed_further():
    ratio = np.array([[1.3, 0.7, 1.3, 0.7, 1.1]])
    advantages = np.array([[1.0, 1.0, -1.0, -1.0, 2.0]])
    slope = clipped(ratio, advantages, 0.2)
    assert slope.tolist() == [[0.0, 0.7, -1.3, 0.0, pytest.approx(2.2)]]


def test_the_critic_knows_only_earlier_choices_and_learns_their_worth(problem):
    critic = Critic(problem)
    states = critic.states([(1, 2, 0, 1), (1, 0, 0, 1)])
    assert (states[0, :2] == states[1, :2]).all()
    assert (states[0, 2:] != states[1, 2:]).any()
    assert states[:, 0].sum() == 2  # the constant alone
    every = list(problem.space)
    rewards = np.array([1.0 if arch[0] == 1 else -1.0 for arch in every])
    all_states = critic.states(every)
    for _ in range(400):
        critic.descend(all_states, rewards, np.ones((len(every), 4)))
    values = critic.values(all_states)
    assert values[:, 0] == pytest.approx(rewards.mean(), abs=0.1)  # nothing is known yet
    assert values[:, 3] == pytest.approx(rewards, abs=0.1)


def test_rewards_are_standardized_losses_and_failures_the_worst():
    rewards = Rewards()
    assert rewards(float("nan")) == 0.0
    given = [rewards(loss) for loss in (10.0, 12.0, 8.0, 10.0, 6.0)]
    assert given[0] == 0.0
    assert given[1] < 0 < given[4]
    worst = rewards(float("inf"))
    assert worst < min(given[1:])
    scaled = Rewards()
    assert [scaled(1000 * loss) for loss in (10.0, 12.0, 8.0)][1:] == pytest.approx(given[1:3])


@pytest.mark.parametrize("factory", [Reinforce, PPO])
@pytest.mark.parametrize("kind", ["logits", pytest.param("lstm", marks=pytest.mark.torch)])
def test_policies_find_the_optimum_of_a_separable_loss(factory, kind, problem):
    if kind == "lstm":
        pytest.importorskip("torch")
    asked = drive(factory(problem, Random(0), controller=kind), lambda a, e: float(sum(a)), 400)
    late = [sum(arch) for arch in asked[-100:]]
    assert np.mean(late) < 0.6 * np.mean([sum(arch) for arch in problem.space])


@pytest.mark.torch
def test_the_lstm_leaves_torch_global_generator_alone(problem):
    torch = pytest.importorskip("torch")
    before = torch.get_rng_state()
    drive(PPO(problem, Random(0), controller="lstm"), lambda a, e: float(sum(a)), 30)
    assert torch.equal(before, torch.get_rng_state())


def test_unknown_controllers_and_odd_settings_are_refused(problem):
    with pytest.raises(ValueError, match="logits, lstm"):
        new_controller("gru", problem, Random(0), 0.1)
    with pytest.raises(ValueError, match="learning_rate"):
        Reinforce(problem, Random(0), learning_rate=0.0)
    with pytest.raises(ValueError, match="momentum"):
        Reinforce(problem, Random(0), momentum=1.0)
    with pytest.raises(ValueError, match="clip"):
        PPO(problem, Random(0), clip=0.0)
