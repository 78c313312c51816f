"""The learning rate as a pure function of the step."""

import math

from curate.train.recipe import TrainRecipe


def learning_rate(recipe: TrainRecipe, step: int, n_steps: int) -> float:
    """Learning rate of one optimiser step.

    Linear warm-up over the first `warmup` share of the run (Goyal et al. 2017), which reaches `lr` exactly at its last
    step; then constant, cosine to 0 (Loshchilov & Hutter 2017), or times `decay` from each milestone on.

    Args:
        recipe: Holds lr, warmup, schedule, milestones and decay.
        step: The step, from 0.
        n_steps: Steps of the whole run.

    Returns:
        The rate, above 0.
    """
    n_warmup = round(recipe.warmup * n_steps)
    if step < n_warmup:
        return recipe.lr * (step + 1) / n_warmup
    if recipe.schedule == "cosine":
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / (n_steps - n_warmup)))
    if recipe.schedule == "step":
        passed = sum(step >= round(share * n_steps) for share in recipe.milestones)
        return float(recipe.lr * recipe.decay**passed)
    return recipe.lr
