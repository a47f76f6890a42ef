"""What makes a model's numbers doubtful, in words: it does worse than a constant, or its first batch norm remembers other inputs. No torch.

A barrier between two such models says nothing of what they learned: it is measured on inputs or targets that are not prepared as they were for training.
"""

from __future__ import annotations

from explorer.core import significant_digits

FAR = 1.0  # standard deviations between the mean that a batch norm keeps and the one that it measures, in the median over channels
WIDE = 3.0  # times that the one standard deviation is as large as the other, likewise


def of_model(name: str, split: str, loss: float, constant: float | None, shift: tuple[str, float, float] | None = None) -> list[str]:
    """A sentence for each. loss, constant: of the model, and of the best answer that is the same for every sample, on the same samples; None: not known.
    shift: the first batch norm, how far its mean is off in standard deviations, and how many times as wide what it measures is (explorer.evaluate.input_shift)."""
    found: list[str] = []
    if constant is not None and loss > constant:
        found.append(
            f"{name} does worse than a constant: its {split} loss is {significant_digits.number(loss, 3)}, and the best answer that is the same for every"
            f" sample has {significant_digits.number(constant, 3)}. Check that inputs and targets are prepared as they were for its training."
        )
    if shift is not None and (shift[1] > FAR or not 1 / WIDE <= shift[2] <= WIDE):
        layer, far, wide = shift
        found.append(
            f"The first batch norm of {name} ({layer}) keeps other statistics than these inputs have: the mean is {significant_digits.number(far, 2)} standard"
            f" deviations away, and the spread {significant_digits.number(wide, 2)} times as large (medians over channels). Check that inputs are prepared as"
            " they were for its training."
        )
    return found
