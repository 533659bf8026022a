"""How far pictures in bfloat16 are from those in float32, by gesso's kernels and by torch's own.

    python -m benchmarks.near

Two pictures of the built-in checkpoint, 8 steps; differences of 255, at most and on average.
"""

import numpy as np

import gesso

ASKED = (("a red cat on a chair", 1), ("a dog in the snow", 2))


def pictures(dtype: str, kernels: str) -> list[np.ndarray]:
    """Both pictures, as numbers."""
    model = gesso.load(device="cpu", dtype=dtype, kernels=kernels)
    asked = (gesso.Request(prompt=prompt, seed=seed, steps=8, sampler="euler") for prompt, seed in ASKED)
    return [np.asarray(gesso.paint(model, each).images[0]).astype(float) for each in asked]


def main() -> None:
    """The command line."""
    exact, plain = pictures("float32", "plain"), pictures("bfloat16", "plain")
    tuned = pictures("bfloat16", "auto")
    pairs = {
        "plain to float32": (plain, exact),
        "tuned to float32": (tuned, exact),
        "tuned to plain": (tuned, plain),
    }
    for name, (ours, others) in pairs.items():
        off = [np.abs(one - other) for one, other in zip(ours, others, strict=True)]
        print(name, *(f"at most {each.max():.0f}, {each.mean():.2f} on average;" for each in off))


if __name__ == "__main__":
    main()
