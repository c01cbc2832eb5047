"""What Variform is for, done with the installed program in an empty folder: swapping a prior without recompiling,
comparing objectives from configs, adding a family that is not the project's own."""

import pathlib
import textwrap
import unittest

from installed import Installed, evaluation

FAMILY = '''
// A mean-field posterior whose coordinates are logistic.
#include <variform/plugin.h>

#include <ATen/ATen.h>

namespace {

using variform::Draw;
using variform::Tensor;

class LogisticPosterior final
    : public variform::With<variform::IndependentPosterior, variform::ClosedEntropy, variform::Moments> {
 public:
  explicit LogisticPosterior(const Tensor& params) {
    const auto halves = params.chunk(2, 1);
    location_ = halves[0];
    log_scale_ = 0.5 * halves[1] - 0.6;
  }
  Tensor location() const override { return location_; }
  Draw rsample(int64_t K, variform::Generator& rng) const override {
    const Tensor u = at::empty({K, location_.size(0), location_.size(1)}, location_.options()).uniform_(1e-7, 1 - 1e-7, rng);
    return {location_ + log_scale_.exp() * (u.log() - (-u).log1p()), {}};
  }
  Tensor log_marginals(const Draw& draw) const override {
    const Tensor y = (draw.z - location_) / log_scale_.exp();
    return -y - log_scale_ - 2 * at::softplus(-y);
  }
  Tensor entropy() const override { return (log_scale_ + 2).sum(1); }
  std::optional<variform::Covariance> covariance() const override {
    return variform::Covariance::diagonal(log_scale_.exp() * 1.8137993642342178);  // pi / sqrt(3)
  }

 private:
  Tensor location_, log_scale_;
};

class Logistic final : public variform::VariationalFamily {
 public:
  explicit Logistic(const variform::Build&) {}
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&, const variform::Context&) override {
    return std::make_unique<LogisticPosterior>(params);
  }
};

}  // namespace

VARIFORM_PLUGIN("org.example.logistic", "0.1.0",
                variform::component<Logistic>("my-logistic", "Independent logistic posterior.", "Balakrishnan 1992"))
'''


class Researcher(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = Installed(cls)

    def train(self, folder, *arguments):
        """Returns the run's folder."""
        done = self.tree.variform("train", *arguments, "--no-figures", folder=folder)
        run = folder / done.stdout.strip().splitlines()[-1]
        self.assertTrue((run / "DONE").exists(), done.stderr)
        return run

    def test_swap_a_prior_without_recompiling(self):
        folder = self.tree.empty_folder("priors")
        before = self.tree.files()
        runs = {
            prior: self.train(folder, "configs/quickstart.toml", "train.steps=20", f"model.prior.type={prior}")
            for prior in ("gaussian", "laplace")
        }
        self.assertEqual(before, self.tree.files())
        self.assertEqual([path.name for path in folder.iterdir()], ["runs"])
        diff = self.tree.variform("runs", "diff", *runs.values(), folder=folder).stdout
        self.assertRegex(diff, r'model\.prior\.type +"gaussian" +"laplace"')
        for prior, run in runs.items():
            self.assertIn(f'type = "{prior}"', (run / "config.resolved.toml").read_text())
            self.tree.variform("evaluate", run, "--limit", "200", folder=folder)
        # The same encoder, decoder and data, but another KL: the prior is in the numbers.
        kl = [evaluation(run)["kl"]["mean"] for run in runs.values()]
        self.assertNotAlmostEqual(kl[0], kl[1], places=3)

    def test_compare_objectives_from_configs(self):
        folder = self.tree.empty_folder("objectives")
        (folder / "base.toml").write_text(textwrap.dedent("""\
            name = "objectives"
            [data]
            dataset = "fashion-mnist"
            [model]
            latent = 8
            encoder = { type = "mlp", hidden = [64] }
            decoder = { type = "mlp", hidden = [64] }
            family = { type = "diagonal" }
            prior = { type = "gaussian" }
            likelihood = { type = "gaussian" }
            [train]
            steps = 30
            batch = 64
            """))
        for objective, family in (("beta-vae", "diagonal"), ("grae", "optimal"), ("grae-approx", "optimal")):
            (folder / f"{objective}.toml").write_text(textwrap.dedent(f"""\
                include = ["base.toml"]
                name = "{objective}"
                model.family.type = "{family}"
                [objective]
                type = "{objective}"
                beta = 0.1
                """))
        runs = [self.train(folder, f"{objective}.toml") for objective in ("beta-vae", "grae", "grae-approx")]
        for run in runs:
            self.tree.variform("evaluate", run, "--limit", "200", folder=folder)
            values = {name: value["mean"] for name, value in evaluation(run).items() if "mean" in value}
            # One model, all objectives of the theory, in their order (§5).
            self.assertLessEqual(values["grae"], values["diagonal_bound"] + 1e-9)
            self.assertLessEqual(values["diagonal_bound"], values["isotropic_bound"] + 1e-9)
        table = self.tree.variform("runs", "table", folder=folder).stdout
        for run in runs:
            self.assertIn(run.name, table)

    def test_add_a_family_out_of_tree(self):
        folder = self.tree.empty_folder("family")
        (folder / "logistic.cpp").write_text(FAMILY)
        (folder / "CMakeLists.txt").write_text(textwrap.dedent("""\
            cmake_minimum_required(VERSION 3.25)
            project(LogisticFamily LANGUAGES CXX)
            find_package(VariformSdk REQUIRED)
            variform_add_plugin(logistic SOURCES logistic.cpp)
            """))
        self.tree.build(folder)
        listed = self.tree.variform("list", "family", folder=folder, VARIFORM_PLUGIN_PATH=folder / "build").stdout
        self.assertIn("family:my-logistic", listed)
        checked = self.tree.variform("check", "build/logistic.so", folder=folder, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        (folder / "experiment.toml").write_text(textwrap.dedent("""\
            include = ["base.toml"]
            model.family.type = "my-logistic"
            plugins.paths = ["build"]
            """))
        (folder / "base.toml").write_text((self.tree.prefix / "share/variform/configs/quickstart.toml").read_text())
        run = self.train(folder, "experiment.toml", "train.steps=20")
        self.assertIn("org.example.logistic", (run / "environment.json").read_text())
        self.tree.variform("evaluate", run, "--limit", "200", folder=folder)
        self.assertGreater(evaluation(run)["kl"]["mean"], 0)
        self.tree.variform("sample", run, folder=folder)
        self.assertTrue((run / "figures/samples.png").exists())
        # A Gaussian would have been found in its place by nobody: without the plugin the run says what is missing.
        (folder / "build/logistic.so").rename(folder / "elsewhere.so")
        missing = self.tree.variform("evaluate", run, folder=folder, check=False)
        self.assertEqual(missing.returncode, 2, missing.stderr)
        self.assertIn("my-logistic", missing.stderr)


if __name__ == "__main__":
    unittest.main()
