"""2N steps equal N steps + resume + N steps, bit for bit: whatever is trained, and however it was cut."""

import concurrent.futures
import json
import os
import pathlib

from program import ProgramTest, checkpoint, main, metrics

STEPS, CUT = 22, 11

BETA = 'objective.beta={ schedule = "linear", from = 0.1, to = 0.6, steps = 15 }'
LR = 'train.optimizer.lr={ schedule = "cosine", from = 3e-3, to = 1e-5 }'


class TwiceN(ProgramTest):
    def check(self, *overrides, cuts=(CUT,)):
        """Trains in one go and in pieces, the two beside each other; both runs' folders."""

        def in_pieces():
            run = self.train(*overrides, "--stop-at", cuts[0], runs="pieces")
            self.assertEqual(checkpoint(run).step, cuts[0])
            self.assertFalse((run / "DONE").exists())
            for cut in cuts[1:]:
                self.resume(run, "--stop-at", cut)
                self.assertEqual(checkpoint(run).step, cut)
            self.resume(run)
            return run

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            pieces = pool.submit(in_pieces)
            whole = self.train(*overrides, runs="whole")
            pieces = pieces.result()
        self.assertEqual(whole.name, pieces.name)
        self.assert_same_run(whole, pieces)
        return whole, pieces

    # Every objective, with every family that composes with it.

    def test_beta_vae_diagonal_with_schedules(self):
        whole, _ = self.check(BETA, LR)
        values = metrics(whole, "train")
        self.assertEqual([line["step"] for line in values], [4, 8, 12, 16, 20])
        self.assertEqual(len({line["beta"] for line in values}), 4)   # rises until step 15, then stays
        self.assertEqual(len({line["lr"] for line in values}), 5)
        self.assertEqual([line["step"] for line in metrics(whole, "test")], [6, 12, 18, 22])

    def test_beta_vae_full_adamw(self):
        self.check("model.family.type=full", "train.optimizer.type=adamw", "train.optimizer.weight_decay=0.1")

    def test_beta_vae_optimal(self):
        self.check("model.family.type=optimal", "model.family.structure=diagonal", BETA)

    def test_grae_optimal_sgd(self):
        whole, _ = self.check("objective.type=grae", "model.family.type=optimal", BETA,
                              'train.optimizer={ type = "sgd", lr = 1e-3, momentum = 0.9, nesterov = true }')
        state = checkpoint(whole).of("optimizer/")
        self.assertTrue(state)
        self.assertTrue(all(name.endswith("/momentum") for name in state), sorted(state))

    def test_grae_point_float64(self):
        self.check("objective.type=grae", "model.family.type=point", "train.precision=float64", LR)

    def test_grae_diagonal_block(self):
        self.check("objective.type=grae", "objective.structure=block", "objective.block=2", BETA)

    def test_grae_approx_optimal_rmsprop(self):
        self.check("objective.type=grae-approx", "model.family.type=optimal", "model.family.structure=diagonal", BETA,
                   'train.optimizer={ type = "rmsprop", lr = 1e-3, momentum = 0.5 }')

    def test_grae_approx_full_columns_a_sample(self):
        self.check("objective.type=grae-approx", "objective.columns=2", "objective.per_sample=true",
                   "model.family.type=full", 'train.optimizer={ type = "rmsprop", lr = 1e-3 }')

    # Precision, data, and what else has state.

    def test_float64_monte_carlo_dequantised(self):
        whole, _ = self.check("train.precision=float64", "model.prior.type=laplace", "data.dequantise=true",
                              "objective.samples=3")
        self.assertEqual(checkpoint(whole).of("model/encoder/parameters").popitem()[1].dtype, "float64")

    def test_bfloat16_conv_dynamic_bits(self):
        convolutional = '{ type = "conv", channels = [4, 8] }'
        self.check("train.precision=bfloat16", "data.binarise=dynamic", "model.likelihood.type=bernoulli",
                   f"model.encoder={convolutional}", f"model.decoder={convolutional}")

    def test_bfloat16_grae_approx_static_bits(self):
        self.check("train.precision=bfloat16", "data.binarise=static", "model.likelihood.type=bernoulli",
                   "objective.type=grae-approx", BETA)

    def test_learned_variance_clipping_and_an_optimizer_for_one_slot(self):
        whole, _ = self.check("model.likelihood={ type = \"gaussian\", variance = 0.5, learned = true }",
                              "train.clip_norm=1.0", "data.validation=32",
                              'model.decoder.optimizer={ type = "sgd", lr = 1e-3, momentum = 0.5 }')
        names = checkpoint(whole).of("optimizer/decoder")
        self.assertTrue(all(name.endswith("/momentum") for name in names) and names)
        self.assertTrue(metrics(whole, "validation"))

    def test_normalised_network(self):
        self.check("model.encoder.normalisation=layer", "model.decoder.activation=tanh", "objective.type=grae")

    def test_spectral_norms(self):
        _, pieces = self.check("model.encoder.normalisation=spectral", "model.decoder.normalisation=spectral",
                               "objective.type=grae", cuts=(1, CUT))
        vectors = {name for name in checkpoint(pieces).of("model/decoder/buffers") if name.endswith(("._u", "._v"))}
        self.assertEqual(len(vectors), 2 * sum(name.endswith(".original")
                                               for name in checkpoint(pieces).of("model/decoder/parameters")))
        self.assertTrue(vectors)

    def test_spectral_norms_bfloat16_conv(self):
        convolutional = '{ type = "conv", channels = [4, 8], normalisation = "spectral" }'
        self.check("train.precision=bfloat16", f"model.encoder={convolutional}", f"model.decoder={convolutional}")

    def test_data_drawn_afresh(self):
        self.check('data.dataset={ type = "model", fresh = true, test = 64, latent = 2, shape = [6], '
                   'prior = { type = "gaussian" }, decoder = { type = "linear" }, '
                   'likelihood = { type = "gaussian", variance = 0.1 } }')

    def test_early_stopping(self):
        rising = ("train.optimizer.lr=1e-9", "train.evaluate_every=3", "train.steps=500",
                  "train.early_stopping={ patience = 3, min_delta = 1.0 }")
        whole, pieces = self.check(*rising, cuts=(7,))
        self.assertEqual(checkpoint(whole).step, 12)   # best at 3, then three evaluations that are no better
        self.assertIn("stopped early", (whole / "DONE").read_text())
        # Killed between that checkpoint and the mark DONE, or resumed by mistake: it has ended, and stays so.
        (pieces / "DONE").unlink()
        self.resume(pieces)
        self.assert_same_run(whole, pieces)

    # However it is cut.

    def test_cut_at_evaluations_checkpoints_log_lines_and_twice_in_a_row(self):
        self.check(BETA, LR, cuts=(1, 4, 6, 7, 8, 12, 21))

    def test_cut_before_the_first_step_and_at_the_end(self):
        whole, pieces = self.check(BETA, cuts=(0, STEPS - 1))
        before = (pieces / "checkpoints" / "last.h5").read_bytes()
        self.resume(pieces)   # nothing left to do
        self.assertEqual((pieces / "checkpoints" / "last.h5").read_bytes(), before)
        self.assert_same_run(whole, pieces)

    def test_killed_before_the_first_checkpoint(self):
        whole = self.train(BETA, runs="whole")
        run = self.train(BETA, "--stop-at", 0, runs="pieces")
        (run / "checkpoints" / "last.h5").unlink()
        (run / "metrics.jsonl").write_text('{"step": 1, "split": "tr')
        self.resume(run)
        self.assert_same_run(whole, run)

    def test_metrics_after_the_checkpoint_are_cut(self):
        whole = self.train(runs="whole")
        run = self.train("--stop-at", CUT, runs="pieces")
        with open(run / "metrics.jsonl", "a") as file:
            file.write('{"step": 12, "split": "train", "loss": 1.0}\n{"step": 1')
        (run / "checkpoints" / ".last.h5.1-0.tmp").write_bytes(b"half a checkpoint")
        self.resume(run)
        self.assert_same_run(whole, run)

    def test_resumed_from_another_folder_and_by_name(self):
        whole = self.train(runs="whole")
        run = self.train("--stop-at", CUT, runs="pieces")
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        self.resume(run.name, "--runs", run.parent, cwd=elsewhere)
        self.assert_same_run(whole, run)

    def test_train_with_resume(self):
        whole = self.train(runs="whole")
        run = self.train("--stop-at", CUT, runs="pieces")
        self.assertEqual(self.train("--resume", runs="pieces"), run)
        self.assert_same_run(whole, run)

    def test_more_steps(self):
        whole = self.train(runs="whole")
        run = self.train(f"train.steps={CUT}", runs="pieces")
        self.assertTrue((run / "DONE").exists())
        self.resume(run, f"train.steps={STEPS}")
        self.assertIn(f"steps = {STEPS}", (run / "config.resolved.toml").read_text())
        one, other = checkpoint(whole), checkpoint(run)
        self.assertEqual(other.step, STEPS)
        for name, values in (one.of("model/") | one.of("optimizer/")).items():
            self.assertEqual(values.tobytes(), other[name].tobytes(), name)
        # The shorter training's last evaluation is all that there is besides.
        extra = [line for line in metrics(run) if line not in metrics(whole)]
        self.assertEqual([(line["step"], line["split"]) for line in extra], [(CUT, "test")])

    def test_another_number_of_threads_is_said(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("this machine has one processor for us, and no training gets more threads than that")
        several = {"OMP_NUM_THREADS": "2"}
        run = self.train("--threads", 2, "--stop-at", 2, env=several)
        same = self.resume(run, "--stop-at", 3, env=several)
        self.assertNotIn("warning", same.stderr)
        fewer = self.resume(run, "--threads", 1, "--stop-at", 4, env=several)
        self.assertIn("the run used 2 threads and goes on with 1; this is not bit for bit the same", fewer.stderr)

    def test_kernels_of_another_instruction_set_are_said(self):
        run = self.train("--stop-at", 2)
        own = json.loads((run / "environment.json").read_text())["cpu"]
        self.assertNotIn("kernels", self.resume(run, "--stop-at", 3).stderr)
        other = self.resume(run, "--stop-at", 4, env={"ATEN_CPU_CAPABILITY": "default"})
        words = f"the run used kernels for {own} and goes on with those for DEFAULT"
        self.assertEqual(words in other.stderr, own != "DEFAULT", other.stderr)
        self.assertEqual(json.loads((run / "environment.json").read_text())["cpu"], "DEFAULT")

    def test_who_computes_products_is_kept(self):
        def recorded(run):
            return json.loads((run / "environment.json").read_text())["products"]

        libtorch, onednn = ("libtorch libtorch libtorch", "onednn onednn onednn")
        cache = self.folder / "cache"
        measured = {"VARIFORM_KERNELS": "measured", "XDG_CACHE_HOME": str(cache)}
        run = self.train("--stop-at", 2, env={"VARIFORM_KERNELS": "libtorch"})
        self.assertEqual(recorded(run), libtorch)
        self.resume(run, "--stop-at", 3, env=measured)
        self.assertEqual(recorded(run), libtorch)
        for file in (cache / "variform" / "products").glob("[!.]*"):
            file.write_text(onednn)
            result = self.resume(run, "--stop-at", 4, env=measured)
            self.assertIn(f"products are computed by {libtorch}", result.stderr)
            self.assertIn(f"this machine would choose {onednn}", result.stderr)
            self.assertEqual(recorded(run), libtorch)
        other = self.resume(run, "--stop-at", 5, env={"VARIFORM_KERNELS": "onednn"})
        self.assertIn("as VARIFORM_KERNELS says; this is not bit for bit the same", other.stderr)
        self.assertEqual(recorded(run), onednn)

    # What is refused.

    def test_only_the_training_may_change(self):
        run = self.train("--stop-at", 2)
        result = self.resume(run, "model.latent=5", code=2)
        self.assertIn("resume takes changes of [train] only", result.stderr)
        self.assertIn("found model.latent=5", result.stderr)

    def test_another_optimizer_does_not_fit(self):
        run = self.train("--stop-at", 2)
        result = self.resume(run, "train.optimizer.type=sgd", "train.optimizer.momentum=0.9", code=1)
        self.assertIn("optimizer state does not fit", result.stderr)
        self.assertIn("optimizer/encoder/", result.stderr)

    def test_a_damaged_checkpoint(self):
        run = self.train("--stop-at", 2)
        file = run / "checkpoints" / "last.h5"
        content = bytearray(file.read_bytes())
        weight = checkpoint(run).of("model/encoder/parameters").popitem()[1].tobytes()
        content[content.index(weight)] ^= 1
        file.write_bytes(content)
        result = self.resume(run, code=1)
        self.assertIn("last.h5", result.stderr)
        self.assertFalse((run / "DONE").exists())
        file.write_bytes(content[: len(content) // 2])
        self.assertIn("last.h5", self.resume(run, code=1).stderr)

    def test_no_run_there(self):
        result = self.resume("nothing-here", code=1)
        self.assertIn("there is no run folder nothing-here", result.stderr)
        pathlib.Path(self.folder / "empty").mkdir()
        self.assertIn("no config.resolved.toml", self.resume("empty", code=1).stderr)


if __name__ == "__main__":
    main()
