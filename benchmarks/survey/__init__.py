"""The survey, replayed: what papers claim of methods in weight space, each claim an experiment with its interval.

    python -m benchmarks.survey --quick                 every claim on small networks, over five replicates: minutes each on one core
    python -m benchmarks.survey --quick --only repair   one of them
    python -m benchmarks.survey --middle                the same settings on few, small images of Fashion-MNIST and its 10 000 test images, --replicates 8
    python -m benchmarks.survey --device cuda           wider networks on Fashion-MNIST
    python -m benchmarks.survey --list

A claim is one file of `claims/`: the sentence, its source, and `measure`, which runs the product's own methods through `explorer.api` for one replicate, that is
for one set of training seeds. What is measured is kept row by row in `results/`, weights and points in the folder `--home`; a run that was killed goes on
where it was, and a claim whose code has changed is measured again. `docs/survey.md` is written from the rows, never by hand.
"""
