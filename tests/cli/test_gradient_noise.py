"""`evaluate --gradient-draws`: the noise of estimators whose variance is known."""

import json

from program import ProgramTest, main


class GradientNoise(ProgramTest):
    """GRAE≈ draws k of d columns without replacement: the variance is (d²/k)(1 − k/d)S² (theory §5)."""

    def section(self, *overrides, draws=200):
        run = self.train("model.family={type=\"optimal\", structure=\"diagonal\"}", "train.precision=\"float64\"", *overrides)
        self.run_program("evaluate", run, "--importance-samples", 0, "--gradient-draws", draws)
        section = json.loads((run / "evaluation-test.json").read_text())["gradient"]
        return {name: entry["value"] for name, entry in section.items()}

    def test_columns_without_replacement(self):
        # The same model for all: untrained, of one seed.
        one, two, exact = (self.section(f"objective={{type=\"grae-approx\", beta=0.5, columns={columns}}}", "train.steps=1",
                                        "train.optimizer.lr=0", "train.batch=64") for columns in (1, 2, 0))
        self.assertLess(exact["gradient_noise"], 1e-6 * exact["gradient_norm"])
        self.assertGreater(one["gradient_noise"], 1e-3 * one["gradient_norm"])
        self.assertAlmostEqual((one["gradient_noise"] / two["gradient_noise"]) ** 2, 3, delta=0.25)  # 16·¾ over 8·½
        few = self.section("objective={type=\"grae-approx\", beta=0.5, columns=1}", "train.steps=1", "train.optimizer.lr=0",
                           "train.batch=64", "name=few", draws=4)
        self.assertAlmostEqual(few["gradient_norm"] / exact["gradient_norm"], 1, delta=0.01)  # 2 % with the noise left in
        for found in (one, two):
            self.assertAlmostEqual(found["gradient_norm"] / exact["gradient_norm"], 1, delta=0.01)
            self.assertAlmostEqual(found["gradient_noise_of_batches"] / exact["gradient_noise_of_batches"], 1, delta=0.05)
            self.assertAlmostEqual(found["gradient_noise_ratio"], found["gradient_noise"] / found["gradient_norm"], places=12)


if __name__ == "__main__":
    main()
