"""A small U-Net from Keras to a file that covmap runs: `python export_keras.py FOLDER` writes own.onnx and own.onnx.json.

The weights are made up, and answer nonsense. Needs tensorflow and tf2onnx; covmap itself needs neither. `--answer INPUT.npy
OUTPUT.npy` writes what Keras says of an input instead, to compare with what covmap makes of the exported file.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import onnx
from keras import layers

SIZE = 96


def block(inputs: keras.KerasTensor, channels: int) -> keras.KerasTensor:
    x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(inputs)
    # As training would leave it: neither 0 nor 1.
    x = layers.BatchNormalization(
        moving_mean_initializer=keras.initializers.RandomNormal(0, 0.1),
        moving_variance_initializer=keras.initializers.RandomUniform(0.5, 1.5),
    )(x)
    return layers.ReLU()(x)


def unet() -> keras.Model:
    # A batch of one: covmap wants to know every size before it runs.
    image = layers.Input(batch_shape=(1, SIZE, SIZE, 1), name="image")
    first = block(image, 8)
    second = block(layers.MaxPooling2D()(first), 16)
    third = block(layers.MaxPooling2D()(second), 32)
    second = block(layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(third), second]), 16)
    first = block(layers.Concatenate()([layers.Conv2DTranspose(16, 2, strides=2)(second), first]), 8)
    return keras.Model(image, layers.Conv2D(3, 1, activation="sigmoid", name="maps")(first))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--answer", nargs=2, type=Path, metavar=("INPUT", "OUTPUT"))
    given = arguments.parse_args()
    keras.utils.set_random_seed(0)
    network = unet()
    if given.answer:
        image = np.load(given.answer[0]).reshape(1, SIZE, SIZE, 1)
        np.save(given.answer[1], np.moveaxis(np.asarray(network(image, training=False))[0], -1, 0))
        return
    saved, file = given.folder / "saved_model", given.folder / "own.onnx"
    network.export(saved, verbose=False)
    subprocess.run([sys.executable, "-m", "tf2onnx.convert", "--saved-model", saved, "--output", file, "--opset", "17"], check=True)
    [output] = onnx.load(file).graph.output
    description = {
        "format": 1,
        "name": f"Keras {keras.__version__}",
        # tf2onnx keeps TensorFlow's layout at the file's doors.
        "input": {"size": [SIZE, SIZE], "layout": "nhwc", "channels": 1, "normalisation": {"affine": {"mean": [0.5], "std": [0.25]}}},
        "outputs": [{"tensor": output.name, "channels": ["lung_right", "lung_left", "infection"], "activation": "probability"}],
        "thresholds": {"infection": 0.5, "lungs": 0.5},
    }
    (given.folder / "own.onnx.json").write_text(json.dumps(description, indent=2))


if __name__ == "__main__":
    main()
