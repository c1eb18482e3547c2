"""`python -m studies.front`: the README's picture, images with their radii and what these say.

Left, the first image of every class among `lipzoo.samples("fmnist")` with its certified radius;
right, from `studies.attacks`, certified accuracy of a gradient flow beside the accuracy that an
unconstrained network keeps under attack, on the same test images. Writes studies/front.png.
"""

import json

import numpy as np

import lipzoo
from lipzoo.plotting import (
    ATTACKED,
    CERTIFIED,
    INK,
    decorate,
    draw_image,
    legend,
    new_figure,
    radius_label,
)
from lipzoo.training.run_folder import write_figure
from lipzoo_catalogue.formatting import parse_fraction
from studies import attacks

CERTIFIED_MODEL, PLAIN_MODEL = "gradflow-fmnist", "resnet-fmnist"
PICTURE = attacks.RESULTS.with_name("front.png")


def draw(certificate, images, results: dict):
    """The figure of a certificate of labelled images and of the results of `studies.attacks`."""
    figure = new_figure(10.0, 3.9, "studies.front")
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1.0))
    _draw_images(left, certificate, images)
    _draw_curves(right.subplots(), results)
    return figure


def _draw_images(figure, certificate, images):
    first = [int(np.flatnonzero(certificate.labels == k)[0]) for k in range(10)]
    for axes, place in zip(figure.subplots(2, 5).flat, first, strict=True):
        draw_image(axes, images[place])
        name = certificate.class_names[certificate.prediction[place]]
        right = certificate.prediction[place] == certificate.labels[place]
        said = name if right else f"{name} (wrong)"
        axes.set_title(said, fontsize=9, color=INK if right else ATTACKED)
        axes.set_xlabel(f"r = {certificate.radius[place]:.2f}", fontsize=9, color=CERTIFIED)
    title = f"{CERTIFIED_MODEL}: no perturbation of l2 norm r changes the prediction"
    figure.suptitle(title, fontsize=9.5, color=INK)


def _draw_curves(axes, results):
    for name, key, colour, style in (
        (CERTIFIED_MODEL, "certified", CERTIFIED, "o-"),
        (PLAIN_MODEL, "attacked", ATTACKED, "s--"),
    ):
        row = results["models"][name]
        radii = [0.0, *map(parse_fraction, row[key])]
        accuracies = [100 * value for value in (row["clean"], *row[key].values())]
        said = "proven" if key == "certified" else "left by attacks"
        axes.plot(radii, accuracies, style, color=colour, markersize=4, label=f"{name}: {said}")
    axes.set(xlim=(0, None), ylim=(0, 100))
    axes.set_xlabel(radius_label(), fontsize=9)
    axes.set_ylabel("accuracy in %", fontsize=9)
    axes.set_title(
        f"the same {results['examples']:,} test images", loc="left", color=INK, fontsize=9.5
    )
    decorate(axes)
    legend(axes)


def main():
    """Writes the picture."""
    images, labels = lipzoo.samples("fmnist")
    certificate = lipzoo.certify(lipzoo.load(CERTIFIED_MODEL), images, labels, verbose=0)
    write_figure(PICTURE, draw(certificate, images, json.loads(attacks.RESULTS.read_text())))


if __name__ == "__main__":
    main()
