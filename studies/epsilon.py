"""`python -m studies.epsilon`: what perturbations of norm ε look like.

One image of `lipzoo.samples("fmnist")` with perturbations of growing l2 norm, spread over all
pixels, put into a few, and as an attack on an unconstrained network chooses them; below each, what
that network and a gradient flow take it for. Writes studies/epsilon.png.
"""

from pathlib import Path

import numpy as np

import lipzoo
from lipzoo.evaluation import pgd_attack
from lipzoo.plotting import ATTACKED, CERTIFIED, INK, draw_image, new_figure
from lipzoo.training.run_folder import write_figure
from studies.front import CERTIFIED_MODEL, PLAIN_MODEL

PICTURE = Path(__file__).with_name("epsilon.png")
EPSILONS = (0.25, 0.5, 1.0, 2.0)
KINDS = ("spread over\nall pixels", "in 5 × 5\npixels", f"by an attack on\n{PLAIN_MODEL}")


def perturbed(image, label, attacked) -> np.ndarray:
    """Images by kind and norm, shape `(kinds, norms, 28, 28, 1)`; the attack's are in [0, 1]."""
    noise = np.random.default_rng(0).choice([-1.0, 1.0], image.shape)
    patch = np.zeros(image.shape)
    patch[2:7, 2:7] = 1.0
    rows = [
        [image + epsilon * direction / np.linalg.norm(direction) for epsilon in EPSILONS]
        for direction in (noise, patch)
    ]
    copies = np.repeat(image[None], len(EPSILONS), axis=0)
    labels = np.repeat(label, len(EPSILONS))
    found = pgd_attack(attacked, copies, labels, np.array(EPSILONS), steps=40)
    return np.array([*rows, list(found.inputs)], "float32")


def draw(image, images, names):
    """The figure; `names` are what each model takes every image for, by kind and norm."""
    figure = new_figure(8.6, 6.6, "studies.epsilon")
    grid = figure.subplots(len(KINDS), 1 + len(EPSILONS))
    for row, (kind, own) in enumerate(zip(KINDS, images, strict=True)):
        for column, picture in enumerate([image, *own]):
            axes = grid[row, column]
            draw_image(axes, picture)
            if row == 0:
                title = f"ε = {EPSILONS[column - 1]}" if column else "the image"
                axes.set_title(title, fontsize=10, color=INK)
            said = {model: names[model][row][column] for model in names}
            lines = [f"{model.partition('-')[0]}: {name}" for model, name in said.items()]
            wrong = len(set(said.values())) > 1
            axes.set_xlabel("\n".join(lines), fontsize=8, color=ATTACKED if wrong else CERTIFIED)
        grid[row, 0].set_ylabel(kind, fontsize=9, color=INK)
    return figure


def main():
    """Writes the picture."""
    images, labels = lipzoo.samples("fmnist")
    place = int(np.flatnonzero(labels == 2)[0])
    models = {name: lipzoo.load(name) for name in (CERTIFIED_MODEL, PLAIN_MODEL)}
    shown = perturbed(images[place], labels[place], models[PLAIN_MODEL])
    classes = lipzoo.info(CERTIFIED_MODEL).config.class_names
    names = {}
    for name, model in models.items():
        rows = [model.predict(np.stack([images[place], *row]), verbose=0) for row in shown]
        names[name] = [[classes[k] for k in row.argmax(axis=1)] for row in rows]
    write_figure(PICTURE, draw(images[place], shown, names))


if __name__ == "__main__":
    main()
