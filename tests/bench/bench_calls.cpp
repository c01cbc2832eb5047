// What the plugin boundary costs: loss and gradient of a β-VAE through the Model and its six plugins, against the same
// tensor operations written down in one function. At width 1 the operations themselves cost next to nothing, so that the
// difference is the price of virtual calls, shape checks and error contexts. Prints one JSON object.
//   bench-calls PLUGIN-FOLDER

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numbers>

#include "config/load.h"
#include "model/session.h"
#include "plugins/registry.h"

namespace variform {
namespace {

constexpr double kBeta = 0.1;
constexpr int kRounds = 15;

struct Size {
  const char* name;
  const char *data, *hidden;
  int latent, batch, steps;  // steps a round
};
constexpr Size kSizes[] = {{"width 1", "[1]", "[1, 1]", 1, 1, 2000},
                           {"quickstart", "[1, 28, 28]", "[512, 512]", 16, 128, 20}};

std::unique_ptr<model::Session> open(const Size& size, const plugins::Registry& registry) {
  const std::string mlp = std::string("{ type = \"mlp\", hidden = ") + size.hidden + " }\n";
  const std::string gaussian = "{ type = \"gaussian\" }\n";
  const std::string text =
      "name = \"bench\"\n[data.dataset]\ntype = \"model\"\nlatent = 1\nsize = 256\nshape = " +
      std::string(size.data) + "\ndecoder = { type = \"linear\" }\nprior = " + gaussian +
      "likelihood = " + gaussian + "[model]\nlatent = " + std::to_string(size.latent) + "\nencoder = " + mlp +
      "decoder = " + mlp + "family = { type = \"diagonal\" }\nprior = " + gaussian +
      "likelihood = " + gaussian + "[objective]\ntype = \"beta-vae\"\nbeta = " + std::to_string(kBeta) +
      "\n[train]\nsteps = 1\nbatch = " + std::to_string(size.batch) + "\ndevice = \"cpu\"\n";
  config::Diagnostics diagnostics;
  const config::Node root = config::parse(text, "bench", diagnostics);
  return model::open_session(model::resolve_experiment(root, registry, {}, diagnostics), registry, {});
}

// The loss without components: what the stock plugins compute, on the model's own parameters.
class Inlined {
 public:
  explicit Inlined(model::Session& session) : model_(session.assembly->model()) {
    for (const auto& [path, tensor] : session.assembly->state())
      if (path.starts_with("model/encoder/")) encoder_.push_back(tensor);
      else if (path.starts_with("model/decoder/")) decoder_.push_back(tensor);
  }

  Tensor loss(const Tensor& x) const {
    const std::vector<Tensor> parts = network(encoder_, x.flatten(1)).chunk(2, -1);
    const Tensor deviation = (0.5 * parts[1]).exp();
    const Tensor noise = at::randn({1, x.size(0), model_.latent}, model_.rng, x.options());
    const Tensor z = parts[0] + deviation * noise;
    const Tensor g = network(decoder_, z.flatten(0, 1)).view({1, x.size(0), -1});
    const double size = static_cast<double>(g.size(-1)), d = static_cast<double>(model_.latent);
    const double log_two_pi = std::log(2 * std::numbers::pi);
    const Tensor nll = (0.5 * ((g - x.flatten(1)).square().sum(-1) + size * log_two_pi)).mean(0);
    const Tensor cross = 0.5 * ((deviation.square() + parts[0].square()).sum(-1) + d * log_two_pi);
    const Tensor entropy = 0.5 * (parts[1].sum(-1) + d * (log_two_pi + 1));
    return (nll + kBeta * (cross - entropy)).mean();
  }

 private:
  // Biases and weights in the order of their names.
  static Tensor network(const std::vector<Tensor>& state, Tensor x) {
    for (std::size_t i = 0; i < state.size(); i += 2) {
      x = at::linear(x, state[i + 1], state[i]);
      if (i + 2 < state.size()) x = at::relu(x);
    }
    return x;
  }

  Model& model_;
  std::vector<Tensor> encoder_, decoder_;
};

template <class Loss>
double microseconds(int steps, const std::vector<Tensor>& parameters, const Loss& loss) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < steps; ++i) {
    for (const Tensor& parameter : parameters) parameter.mutable_grad() = Tensor();
    loss().backward();
  }
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() / steps;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

nlohmann::json measure(const Size& size, const plugins::Registry& registry) {
  const std::unique_ptr<model::Session> session = open(size, registry);
  Model& model = session->assembly->model();
  const Batch batch = session->batches->training(0);
  const Inlined inlined(*session);
  std::vector<Tensor> parameters;
  for (Kind kind : session->assembly->kinds())
    for (const Tensor& parameter : model.component(kind)->parameters()) parameters.push_back(parameter);
  const auto through_model = [&] { return model.evaluate(batch).loss.mean(); };
  const auto by_hand = [&] { return inlined.loss(batch.x); };

  model.rng.set_current_seed(1);
  const double one = through_model().item<double>();
  model.rng.set_current_seed(1);
  const double other = by_hand().item<double>();
  if (!(std::abs(one - other) <= 1e-5 * std::abs(one)))
    throw Error("the two losses differ: " + std::to_string(one) + " and " + std::to_string(other));

  std::vector<double> model_times, inlined_times, differences;
  for (int round = -2; round < kRounds; ++round) {  // the first two warm up
    const double a = microseconds(size.steps, parameters, through_model);
    const double b = microseconds(size.steps, parameters, by_hand);
    if (round < 0) continue;
    model_times.push_back(a);
    inlined_times.push_back(b);
    differences.push_back(a - b);
  }
  return {{"through_plugins_us", median(model_times)},
          {"inlined_us", median(inlined_times)},
          {"difference_us", median(differences)}};
}

int run(const char* folder) {
  at::set_num_threads(1);
  plugins::Search search;
  search.places.push_back({plugins::Origin::kBuildTree, folder, {}});
  const plugins::Registry registry(search);
  nlohmann::json result;
  for (const Size& size : kSizes) result[size.name] = measure(size, registry);
  std::printf("%s\n", result.dump(2).c_str());
  return 0;
}

}  // namespace
}  // namespace variform

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench-calls PLUGIN-FOLDER\n");
    return 2;
  }
  try {
    return variform::run(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
