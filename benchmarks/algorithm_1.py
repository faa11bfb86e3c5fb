"""Algorithm 1 of arXiv 2009.08796 as its pseudocode reads: loops over classes and over samples.

The yardstick for speed: what one would write first. It computes what ``sigma2r.functional.sigma_squared_r_loss``
does, with sigma held constant in the gradient, and a test holds the two together.
"""

import torch
from torch import Tensor


def sigma(n: int, anchor: Tensor, points: Tensor, spread: str) -> Tensor | None:
    """The spread of the n ``points`` (P, D) closest to ``anchor`` (D,); None where too few are there to have one."""
    distances = (points - anchor).norm(dim=1)
    closest = distances.argsort()[:n]
    if len(closest) < (2 if spread == "distance-std" else 1):
        return None
    if spread == "distance-std":
        return distances[closest].std()
    if spread == "rms":
        return distances[closest].square().mean().sqrt()
    chosen = torch.cat([anchor.unsqueeze(0), points[closest]])
    return ((chosen - chosen.mean(dim=0)).square().sum() / (len(chosen) - 1)).sqrt()


def algorithm_1(
    x: Tensor,
    y: Tensor,
    centers: Tensor,
    growth: Tensor,
    *,
    n: int = 7,
    ceiling: float = 40.0,
    eps: float = 1e-3,
    spread: str = "distance-std",
) -> Tensor:
    """The mean of beta_i ||x_i - C_{y_i}||^2 over the m samples ``x`` (m, D) with class indices ``y`` (m,)."""
    m = len(x)
    intra = x.new_zeros(())
    for j in range(len(centers)):
        of_class = x[y == j]
        rate = eps + ceiling / (1 + torch.exp(-growth[j]))
        with torch.no_grad():
            sigma_center = sigma(n, centers[j], of_class, spread)
        for i in range(len(of_class)):
            with torch.no_grad():
                sigma_sample = sigma(n, of_class[i], torch.cat([of_class[:i], of_class[i + 1 :]]), spread)
                known = sigma_sample is not None and sigma_center is not None
                excess = sigma_sample - sigma_center if known else x.new_zeros(())
            beta = ceiling / (1 + torch.exp(-rate * excess))
            intra = intra + beta * (of_class[i] - centers[j]).square().sum()
    return intra / m
