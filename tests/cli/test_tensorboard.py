"""log.tensorboard: what TensorBoard's own reader finds in the event files, against metrics.jsonl, the evaluation, the pictures
and the config."""

import json
import logging

import h5py
import numpy

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from program import ProgramTest, main, metrics

WRITE = "log.tensorboard=true"


def reader(run):
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0, "histograms": 0})
    events.Reload()
    return events


class TensorBoard(ProgramTest):
    def logged(self, run):
        """{(tag, step): value} by metrics.jsonl."""
        values = {}
        for line in metrics(run):
            for name, value in line.items():
                if name not in ("step", "epoch", "split"):
                    values[f"{line['split']}/{name}", line["step"]] = value
        return values

    def check_scalars(self, run):
        events = reader(run)
        found = {(tag, event.step): event.value for tag in events.Tags()["scalars"] for event in events.Scalars(tag)}
        expected = self.logged(run)
        self.assertEqual(set(found), set(expected))
        for place, value in expected.items():
            self.assertAlmostEqual(found[place], value, delta=1e-6 * abs(value), msg=place)
        return events

    def test_training(self):
        run = self.folder / self.run_program("train", "small.toml", WRITE).last_line  # with its pictures
        events = self.check_scalars(run)
        self.assertEqual(set(events.Tags()["images"]), {"reconstructions", "samples", "traversals"})
        for tag in events.Tags()["images"]:
            (image,) = events.Images(tag)
            self.assertEqual(image.encoded_image_string, (run / "figures" / f"{tag}.png").read_bytes())
            self.assertEqual((image.step, image.width > 0, image.height > 0), (22, True, True))

    def histograms(self, run):
        """{tag: {step: (count, sum, sum of squares, limits, counts)}}"""
        events = reader(run)
        return {tag: {event.step: event.histogram_value for event in events.Histograms(tag)} for tag in events.Tags()["histograms"]}

    def test_latents(self):
        """One histogram per latent over the rows, one of the latents' means: their moments are those of `evaluate`'s rows."""
        run = self.train(WRITE)
        found = self.histograms(run)
        self.assertEqual(set(found), {"latent_kl/means", *(f"latent_kl/{i}" for i in range(4))})
        for tag, events in found.items():
            self.assertEqual(set(events), {6, 12, 18, 22}, tag)
            for value in events.values():
                self.assertEqual(sum(value.bucket), value.num)
                self.assertEqual((len(value.bucket), value.bucket_limit[-1]), (30, value.max))
                self.assertEqual(sorted(value.bucket_limit), list(value.bucket_limit))
        report = json.loads(self.run_program("evaluate", run, "--json", "--samples", 1, "--importance-samples", 0).stdout)
        means = report["information_arrays"]["latent_kl"]
        last = [found[f"latent_kl/{i}"][22] for i in range(4)]
        self.assertEqual([value.num for value in last], [64] * 4)
        numpy.testing.assert_allclose([value.sum / value.num for value in last], means, rtol=1e-6)
        whole = found["latent_kl/means"][22]
        numpy.testing.assert_allclose([whole.min, whole.max, whole.sum, whole.sum_squares],
                                      [min(means), max(means), sum(means), numpy.square(means).sum()], rtol=1e-6)
        # Row by row, from the posteriors' moments.
        self.run_program("encode", run, "--out", self.folder / "codes.h5")
        with h5py.File(self.folder / "codes.h5") as codes:
            mean, variance = numpy.asarray(codes["h"], "f8"), numpy.asarray(codes["variances"], "f8")
        rows = 0.5 * (mean**2 + variance - 1 - numpy.log(variance))
        for i, value in enumerate(last):
            counts, _ = numpy.histogram(rows[:, i], [value.min - 1e-6, *value.bucket_limit[:-1], value.max + 1e-6])
            self.assertLessEqual(abs(counts - numpy.array(value.bucket)).sum(), 4, "but for rounding at the limits")

    def test_latents_that_are_not_known(self):
        run = self.run_program("train", "small.toml", WRITE, "model.prior.type=laplace", "--no-figures")
        self.assertEqual(run.stderr.count("no histograms of the latents' KL: the marginals of prior laplace"), 1)
        self.assertEqual(self.histograms(self.folder / run.last_line), {})

    def test_hyperparameters(self):
        run = self.train(WRITE)
        content = reader(run).PluginTagToContent("hparams")
        self.assertEqual(set(content), {"_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"})
        data = {tag: plugin_data_pb2.HParamsPluginData.FromString(bytes_) for tag, bytes_ in content.items()}
        given = data["_hparams_/session_start_info"].session_start_info.hparams
        self.assertEqual(given["objective.beta"].number_value, 0.5)
        self.assertEqual(given["model.family.type"].string_value, "diagonal")
        self.assertEqual(given["seed"].number_value, 3)
        experiment = data["_hparams_/experiment"].experiment
        self.assertEqual({info.name for info in experiment.hparam_infos}, set(given))
        self.assertIn("test/loss", {info.name.tag for info in experiment.metric_infos})
        self.assertEqual(data["_hparams_/session_end_info"].session_end_info.status, 1)

    def test_resumed(self):
        run = self.train(WRITE, "--stop-at", 10)
        self.run_program("resume", run)
        self.check_scalars(run)
        self.assertEqual(len(list((run / "tensorboard").iterdir())), 2)

    def test_same_run(self):
        """It changes neither the run's name nor its numbers; without it nothing is written."""
        plain = self.train()
        self.assertFalse((plain / "tensorboard").exists())
        written = self.train(WRITE, runs="others")
        self.assertEqual(written.name, plain.name)
        self.assertEqual(self.logged(written), self.logged(plain))

    def test_unwritable(self):
        """A training goes on without it, and says so once."""
        run = self.train(WRITE, "--stop-at", 4)
        for file in (run / "tensorboard").iterdir():
            file.unlink()
        (run / "tensorboard").rmdir()
        (run / "tensorboard").write_text("in the way")
        result = self.run_program("resume", run)
        self.assertEqual(result.stderr.count("nothing is written for TensorBoard"), 1)
        self.assertTrue((run / "DONE").exists())


if __name__ == "__main__":
    main()
