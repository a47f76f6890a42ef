"""The words of the field as the app uses them: one definition each, shown wherever the word stands. Imports nothing.

In texts a term is written [[barrier]], or [[flat|barrier]] where the sentence needs another form of it; `linked` makes of it a link that shows the
definition when it is pointed at or has the keyboard's focus, and leads to the glossary.
"""

from __future__ import annotations

import re
from urllib.parse import quote

TERMS: dict[str, str] = {
    "activation": "The output of a hidden unit for one input.",
    "adversary": "A procedure that moves every input within a small radius to raise the loss as much as possible.",
    "alignment": "Putting the hidden units of several networks in the same order, so that unit k of one does what unit k of the others does.",
    "barrier": "How far the loss on a path rises above the straight line between the losses of its ends; 0 where it does not rise.",
    "basin": "A region of weight space in which any two models are joined by a straight line of low loss.",
    "batch norm": "A layer that centres and scales each unit by running means and variances, which have to be re-estimated for a mixture of models.",
    "bend": "A corner between the ends of a curve; training moves it until the loss along the curve is low.",
    "calibration": "Whether a network is right as often as its confidence says: of predictions made with 80 % confidence, 80 % should be right.",
    "canonical form": "The shortest weights that compute a function, over all of a network's symmetries: what writes a unit is then as long as what reads it.",
    "checkpoint": "The weights of a network as they were saved, with their running statistics.",
    "chord": "The straight line between the values at both ends of a path; a barrier is measured from it.",
    "EMA": "Exponential moving average: the mean of the weights along a training, recent ones counting more.",
    "Fisher information": "How strongly the outputs react to a weight: the mean squared gradient of the log-likelihood. It weighs weights in Fisher merging.",
    "greedy soup": "A soup built by trying models from best to worst, keeping each that does not make the average worse on the validation split.",
    "interval": "A 95 % confidence interval over evaluation samples; paired for differences, and for a maximum one that allows for picking the highest point. It does not reflect the choice of training seeds.",
    "invertible map": "Any linear change of basis that can be undone. It is free where nothing but linear maps touch an axis, as between queries and keys.",
    "LAWA": "Latest weight averaging: the mean of the last few snapshots, while training continues.",
    "linear mode connectivity": "Two models are linearly connected when the straight line between them has no barrier.",
    "loss landscape": "The loss as a function of the weights; every point of it is a model.",
    "lottery ticket": "A network with most of its weights removed that, trained alone from early weights of the whole, becomes as good as the whole.",
    "merging": "Making one model of several by computing with their weights, without training.",
    "mode": "A set of weights that training ends in; a low point of the landscape.",
    "mode connectivity": "Two modes are connected when some path between them, straight or not, has a low loss all along.",
    "model soup": "The average of the weights of several models that were fine-tuned from one.",
    "nat": "The unit of the cross-entropy loss with natural logarithms; 0.69 nat is the loss of guessing between two classes.",
    "optimal transport": "The cheapest way to carry one set of units onto another. Units may be split, so the widths may differ.",
    "orbit": "All weights that the symmetries of a network lead to from given ones: different places of weight space that compute one function.",
    "orthogonal map": "A rotation, with or without a reflection: a linear map that keeps lengths. A residual stream may be turned by one where only its length is read, as by RMSNorm.",
    "permutation symmetry": "The hidden units of a layer can be put in any order, with their weights, and the network computes the same function.",
    "plane": "A two-dimensional slice of weight space: all mixtures of three models, or of a model and two directions.",
    "re-basin": "Permuting the units of a network until it lies in the basin of another.",
    "RegMean": "Merging every linear layer so that its outputs stay as close as possible to those of all models on their own inputs.",
    "REPAIR": "Rescaling the units of a merged network so that their means and spreads are those of the models.",
    "scale symmetry": "A ReLU unit may be made stronger by any positive factor and read more weakly by the same: the network computes the same function.",
    "SGD": "Stochastic gradient descent: a step along the gradient of one batch after another, in an order drawn at random.",
    "sharpness": "How much the loss rises when the weights are moved a little.",
    "sign symmetry": "A tanh unit may change the sign of all its incoming and outgoing weights: the network computes the same function.",
    "snapshot": "The weights at some moment of a training.",
    "soft permutation": "A matrix with rows and columns that sum to one: units are blended, not only reordered.",
    "split": "A share of the data with one job: train fits and recalibrates, validation chooses, test reports.",
    "subspace": "A line, a triangle or a larger simplex of models that all have a low loss.",
    "SWA": "Stochastic weight averaging: the mean of the weights along the end of a training at a high rate.",
    "symmetry class": "Which linear maps of an axis leave what a network computes as it is: permutations alone, also signs, positive scales, orthogonal maps, or any invertible one.",
    "task vector": "What a fine-tuning changed: the fine-tuned weights minus those it started from.",
    "teleportation": "Moving a network along its orbit: the function and the loss stay, the gradient and the sharpness do not.",
    "variance collapse": "Averaged units that do not match cancel each other; their outputs vary less than those of the models.",
    "weight matching": "The permutation that brings the weights of two networks as close together as it can.",
    "weight space": "The space of all weights of a network, one dimension for each of them.",
}

_MARK = re.compile(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]")


def linked(text: str) -> str:
    """The text as Markdown: every term at its first use a link with its definition, later on a plain word."""
    explained: set[str] = set()

    def link(found: re.Match[str]) -> str:
        word, term = found[1], found[2] or found[1]
        if term in explained:
            return word
        explained.add(term)
        return f'[{word}](/learn?view=glossary&term={quote(term)} "{TERMS[term]}")'

    return _MARK.sub(link, text)


def unmarked(text: str) -> str:
    """The text without its marks, for paper."""
    return _MARK.sub(lambda found: found[1], text)


def terms(text: str) -> tuple[str, ...]:
    """The terms that are marked in a text, each once."""
    return tuple(dict.fromkeys(b or a for a, b in _MARK.findall(text)))
