"""A page to draw or upload a piece of clothing: prediction, radius, worst perturbation found.

pip install gradio '.[plots]' && python examples/gradio_app.py
"""

import gradio as gr
import numpy as np

import lipzoo
from lipzoo.evaluation import pgd_attack

MODEL = lipzoo.load("gradflow-fmnist")


def classify(drawn, factor):
    """Prediction and radius of a picture, and what an attack at a multiple of the radius finds."""
    picture = drawn["composite"] if isinstance(drawn, dict) else drawn
    picture = np.asarray(picture, "float32")[..., :1] / 255
    height, width = picture.shape[0] // 28, picture.shape[1] // 28
    x = picture[: 28 * height, : 28 * width].reshape(1, 28, height, 28, width, 1).mean((2, 4))
    x = x.astype("float32")
    certificate = lipzoo.certify(MODEL, x, verbose=0)
    names, prediction, radius = (
        certificate.class_names,
        int(certificate.prediction[0]),
        float(certificate.radius[0]),
    )
    attack = pgd_attack(MODEL, x, [prediction], factor * radius)
    taken_for = names[int(MODEL.predict(attack.inputs, verbose=0).argmax())]
    found = f"taken for {taken_for}" if attack.success[0] else "still the same class"
    said = f"{names[prediction]}; nothing within {radius:.3f} (l2) changes that"
    shown = [(image.squeeze(), text) for image, text in ((x, said), (attack.inputs, found))]
    return said, f"at {factor:g} times the radius: {found}", shown


def build():
    """The page."""
    picture = gr.ImageEditor(type="numpy", canvas_size=(280, 280), label="draw or upload")
    factor = gr.Slider(0.5, 4, 2, step=0.1, label="attack at this multiple of the radius")
    outputs = [gr.Textbox(label="certified"), gr.Textbox(label="attack"), gr.Gallery(columns=2)]
    return gr.Interface(classify, [picture, factor], outputs, title="How far does it hold?")


if __name__ == "__main__":
    build().launch()
