"""`sample --prior` and `evaluate --prior`: what they print and write, what is kept, and what is refused."""

import json

from program import ProgramTest, main

MIXTURE = "{ type = 'mixture', components = 3 }"


class ExPost(ProgramTest):
    def test_fit_is_printed_kept_and_made_anew(self):
        run = self.train("--stop-at", 10)
        first = self.run_program("sample", run, "--prior", MIXTURE)
        self.assertRegex(first.stderr, r"fitted prior mixture to 192 latents of the training split: "
                                       r"−log p [\d.]+ → [\d.]+ nats on held-out latents \(test\)")
        picture = run / "figures" / first.last_line.rpartition("/")[2]
        self.assertRegex(picture.name, r"^samples-mixture-[0-9a-f]{8}\.png$")
        (kept,) = (run / "priors").iterdir()
        self.assertRegex(kept.name, r"^mixture-[0-9a-f]{8}-[0-9a-f]{8}\.h5$")
        pixels, fit = picture.read_bytes(), kept.read_bytes()

        again = self.run_program("sample", run, "--prior", MIXTURE)
        self.assertIn("prior mixture, fitted before to 192 latents", again.stderr)
        self.assertEqual(picture.read_bytes(), pixels)
        self.assertEqual(self.run_program("sample", run, "--prior", MIXTURE, "--quiet").stderr, "")

        kept.write_bytes(fit[:3000] + b"\x5a\x5b\x5c" + fit[3003:])
        damaged = self.run_program("sample", run, "--prior", MIXTURE)
        self.assertRegex(damaged.stderr, rf"note: .*{kept.name}.* It was fitted again\.")
        self.assertIn("fitted prior mixture to", damaged.stderr)
        self.assertEqual(kept.read_bytes(), fit)
        self.assertEqual(picture.read_bytes(), pixels)

        self.resume(run)
        further = self.run_program("sample", run, "--prior", MIXTURE)
        self.assertIn("fitted prior mixture to", further.stderr)
        self.assertEqual(len(list((run / "priors").iterdir())), 2)
        self.assertNotEqual(picture.read_bytes(), pixels)

    def test_evaluation_names_the_prior(self):
        run = self.train()
        before = self.run_program("evaluate", run, "--json").json
        done = self.run_program("evaluate", run, "--prior", "flow")
        self.assertRegex(done.stdout, r"prior: flow \(org\.variform\.priors [\d.]+\), fitted ex post; fitted prior flow to")
        (file,) = run.glob("evaluation-test-flow-*.json")
        self.assertIn(file.name, done.stderr)
        after = json.loads(file.read_text())
        self.assertEqual(json.loads((run / "evaluation-test.json").read_text()), before)   # is left alone
        self.assertIn("fitted ex post", after["model"]["prior"])
        self.assertEqual(after["ex_post"]["data"], 192)
        self.assertLess(after["ex_post"]["latents_after"], after["ex_post"]["latents_before"])
        self.assertIn("layers = 4", after["ex_post"]["prior"])
        for same in ("nll", "nll_at_mean"):
            self.assertEqual(after["values"][same], before["values"][same])
        self.assertLess(after["values"]["kl"]["mean"], before["values"]["kl"]["mean"])

        # Other data, but the fit of the run's own: it is read.
        elsewhere = self.run_program("evaluate", run, "--prior", "flow", "--on", ":train", "--out", "other.json")
        self.assertIn("fitted before to 192", elsewhere.stderr)

    def test_mistakes(self):
        run = self.train("--stop-at", 1)
        for spec, *parts in (
            ("mixtur", "--prior:1:", 'There is no prior "mixtur"', 'did you mean "mixture"?'),
            ("{ type = 'mixture', component = 3 }", "--prior:1:", 'did you mean "components"?'),
            ("{ type = 'mixture', components = 0 }", "--prior:1:", "must be at least 1, found 0"),
            ("{ type = 'mixture', ", "--prior:1:", "This is not TOML"),
            ("uniform", "prior uniform", "bounded support"),
            ("{ type = 'mixture', means = [1.0] }", "--prior:1:", "'means' needs d = 4 numbers per component"),
        ):  # fmt: skip
            for command in ("sample", "evaluate"):
                result = self.run_program(command, run, "--prior", spec, code=2)
                for part in parts:
                    self.assertIn(part, result.stderr)
                self.assertEqual(result.stdout, "")
        self.assertFalse((run / "priors").exists())


if __name__ == "__main__":
    main()
