#!/usr/bin/env python3
"""pythae's side of bench.py's epochs: its trainer with its own default MLP on the first images of an IDX file.

    pythae_epochs.py IMAGES ROWS EPOCHS FOLDER      prints {"seconds": between the ends of the first epoch and the last}
"""

import json
import sys
import time

from pythae.models import VAE, VAEConfig
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch_train import images_of


class Ends(TrainingCallback):
    def __init__(self):
        self.times = []

    def on_epoch_end(self, *_, **__):
        self.times.append(time.perf_counter())


def main():
    images, rows, epochs, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    config = BaseTrainerConfig(output_dir=folder, num_epochs=epochs, per_device_train_batch_size=128, learning_rate=1e-4, no_cuda=True)
    ends = Ends()
    pipeline = TrainingPipeline(model=VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=16)), training_config=config)
    pipeline(images_of(images)[:rows], callbacks=[ends])
    print(json.dumps({"seconds": ends.times[-1] - ends.times[0]}))


if __name__ == "__main__":
    main()
