// See compose.h.

#include "compose.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <set>
#include <stdexcept>

#include "checkpoint/snapshot.h"
#include "config/load.h"
#include "folder.h"
#include "model/checkpoints.h"
#include "model/run_folder.h"
#include "model/session.h"
#include "plugins/registry.h"
#include "train/cpu_tape.h"
#include "train/trainer.h"

namespace variform::composition {

const plugins::Registry& registry() {
  static const plugins::Registry stock = [] {
    plugins::Search search;
    const char* folder = std::getenv("VARIFORM_PLUGINS");
    search.places.push_back({plugins::Origin::kBuildTree, folder ? folder : "plugins", {}});
    return plugins::Registry(search);
  }();
  return stock;
}

namespace {

namespace fs = std::filesystem;

// "type = …" and parameters that make a component small, or that it cannot be without in every company.
std::string described(const std::string& slot, const std::string& type) {
  static const std::map<std::string, std::string> known{
      {"family:iaf", "hidden = 4, context = 2"},
      {"family:ladder", "hidden = [3], context = 2"},
      {"family:low-rank", "rank = 1"},
      {"family:optimal", "beta = 1.0, curvature = \"fisher\""},
      {"prior:conditional", "hidden = [3]"},
      {"prior:flow", "layers = 2, hidden = [3]"},
      {"prior:ladder", "hidden = [3]"},
      {"prior:mixture", "components = 2"},
      {"prior:vamp", "pseudo_inputs = 3"},
      {"likelihood:categorical", "classes = 3"},
      {"likelihood:discretised-logistic-mixture", "components = 2, levels = 11"},
      {"objective:factor-vae", "critic_hidden = [3]"},
      {"objective:grae", "curvature = \"fisher\""},
      {"objective:grae-approx", "curvature = \"fisher\""},
      {"objective:taylor", "curvature = \"fisher\""}};
  const auto found = known.find(slot + ":" + type);
  return "type = \"" + type + "\"" + (found == known.end() ? "" : ", " + found->second);
}

std::unique_ptr<model::Session> open(const Combination& combination, int64_t steps);

std::string slot(const char* name, const std::string& type) {
  return std::string(name) + " = { " + described(name, type) + " }\n";
}

// The domain of a likelihood's data, as a description of data writes it.
std::string domain_for(const std::string& likelihood) {
  static std::map<std::string, std::string> known;
  if (const auto found = known.find(likelihood); found != known.end()) return found->second;
  Combination drawn;
  drawn.likelihood = likelihood;
  return known[likelihood] = variform::to_string(open(drawn, 1)->assembly->model().likelihood().domain());
}

std::string data_of(const Combination& c) {
  if (!c.data.empty()) return c.data;
  if (c.rows != Rows::kDrawn) return table_section(c.rows, domain_for(c.likelihood));
  return "[data.dataset]\ntype = \"model\"\nlatent = 2\nsize = 12\ntest = 6\nshape = [3]\n"
         "decoder = { type = \"linear\" }\nprior = { type = \"gaussian\" }\n" +
         slot("likelihood", c.likelihood);
}

std::string network(const char* name, const std::string& given, const Combination& c) {
  const std::string small = "type = \"mlp\", hidden = [4], activation = \"tanh\"";
  return std::string(name) + " = { " + (given.empty() ? small : given) +
         (have_condition(c.rows) ? ", condition = true" : "") + " }\n";
}

std::string config_of(const Combination& c, int64_t steps) {
  return "name = \"composition\"\nseed = 3\n" + slot("objective", c.objective) + data_of(c) +
         "[model]\nlatent = 2\n" + network("encoder", c.encoder, c) + network("decoder", c.decoder, c) +
         slot("family", c.family) + slot("prior", c.prior) + slot("likelihood", c.likelihood) +
         "[train]\nsteps = " + std::to_string(steps) +
         "\nlog_every = 2\nbatch = 4\nthreads = 1\ncheckpoint_every = 0\ndevice = \"" + c.device +
         "\"\nprecision = \"" + c.precision + "\"\n" + (c.train.empty() ? "evaluate_every = 0\n" : c.train);
}

class Silent final : public train::Observer {
 public:
  void stepped(int64_t, int64_t, const std::map<std::string, double>&) override {}
  void evaluated(int64_t, const std::string&, const std::map<std::string, double>&, bool) override {}
};

std::unique_ptr<model::Session> open(const Combination& combination, int64_t steps) {
  config::Diagnostics diagnostics;
  const config::Node root = config::parse(config_of(combination, steps), "composition.toml", diagnostics);
  return model::open_session(model::resolve_experiment(root, registry(), {}, diagnostics), registry(), {});
}

// Trains to `stop_at`, on from a checkpoint if there is one in the folder; the state afterwards.
std::map<std::string, at::Tensor> trained(model::Session& session, const fs::path& path, int64_t stop_at,
                                          train::RepeatedStep::MakeRecorder make, train::Observer& observer,
                                          base::Log&& log = base::SilentLog()) {
  model::RunFolder folder =
      model::RunFolder::create(path, config::print(session.experiment.resolved), model::IfPresent::kResume);
  train::Trainer trainer(session.experiment.train, session.horizon,
                         model::attributes_of(session.experiment, session.assembly->model().data,
                                              session.domain, model::plugins_json(registry())),
                         *session.assembly, *session.batches, folder, log, observer);
  trainer.record_with(std::move(make), /*also_if_slower=*/true);
  if (fs::exists(folder.last())) trainer.restore(checkpoint::read(folder.last()));
  trainer.run(stop_at, [] { return false; });
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : session.assembly->state()) state[name] = tensor.detach().clone();
  return state;
}

std::map<std::string, at::Tensor> trained(model::Session& session, const fs::path& path, int64_t stop_at,
                                          train::RepeatedStep::MakeRecorder make = {},
                                          base::Log&& log = base::SilentLog()) {
  Silent observer;
  return trained(session, path, stop_at, std::move(make), observer, std::move(log));
}

// Throws what a refusal throws.
std::unique_ptr<model::Session> prepared(const Combination& combination, int64_t steps = 3) {
  auto session = open(combination, steps);
  session->preflight(registry());
  return session;
}

using State = std::map<std::string, at::Tensor>;

// The state after training `session`, which is also that after training in two parts.
State train_and_resume(const Combination& combination, std::unique_ptr<model::Session> session,
                       train::Observer& observer) {
  const Folder folder;
  State straight = trained(*session, folder.path() / "straight", 3, {}, observer);
  trained(*prepared(combination), folder.path() / "parts", 2);
  const State resumed = trained(*prepared(combination), folder.path() / "parts", 3);
  for (const auto& [name, tensor] : straight) {
    if (!at::isfinite(tensor).all().item<bool>())
      throw std::runtime_error(name + " is not finite after three steps");
    if (!at::equal(tensor, resumed.at(name)))
      throw std::runtime_error("resumed, " + name + " has other bits");
  }
  return straight;
}

// Computes the loss of a batch of training, with the same draws every time.
at::Tensor loss_of(model::Session& session, const Batch& batch) {
  session.assembly->model().rng.set_current_seed(5);
  return session.assembly->model().evaluate(batch).loss.detach();
}

bool alike(const at::Tensor& a, const at::Tensor& b) { return at::allclose(a, b, 1e-6, 1e-6); }

// So that x reaches the loss by the objective and the likelihood alone.
void close_eyes(Model& model) {
  const at::NoGradGuard no_grad;
  for (const at::Tensor& parameter : model.encoder().parameters()) at::Tensor(parameter).zero_();
}

// Keeps why steps are not replayed.
class Reasons final : public base::Log {
 public:
  explicit Reasons(std::string& kept) : kept_(kept) {}
  void write(base::Level, std::string_view, const std::string& text) override {
    if (text.find("not replayed") != std::string::npos ||
        text.find("cannot be replayed") != std::string::npos)
      kept_ = text;
  }
  bool wants(base::Level, std::string_view) const override { return true; }

 private:
  std::string& kept_;
};

// As a graph would be, but that operations are asked for again: on the tensors of the recording.
class Again final : public train::Recorder {
 public:
  void record(const std::function<void()>& work) override { work_ = work; }
  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

// Operations by which the host learns what is in a tensor, among those that this thread asks for while it lives.
class HostReads {
 public:
  HostReads() : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(&HostReads::seen))) {
    found_.clear();
  }
  ~HostReads() { at::removeCallback(handle_); }
  HostReads(const HostReads&) = delete;
  HostReads& operator=(const HostReads&) = delete;
  static std::string found() { return found_; }

 private:
  static std::unique_ptr<at::ObserverContext> seen(const at::RecordFunction& function) {
    for (const char* name : {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select",
                             "aten::_unique2", "aten::equal", "aten::allclose"})
      if (function.name() == std::string_view(name)) found_ += std::string(found_.empty() ? "" : ", ") + name;
    return nullptr;
  }
  static inline thread_local std::string found_;  // the callback is a plain function
  at::CallbackHandle handle_;
};

std::string host_reads_of_a_step(const Combination& combination) {
  const auto session = prepared(combination);
  session->assembly->set_training(true);
  session->assembly->set_step(0);
  const Batch batch = session->batches->training(0);
  const HostReads reads;
  session->assembly->model().evaluate(batch).loss.mean().backward();
  return HostReads::found();
}

}  // namespace

const Offered& offered() {
  static const Offered all{registry().ids(Kind::kFamily), registry().ids(Kind::kPrior),
                           registry().ids(Kind::kLikelihood), registry().ids(Kind::kObjective)};
  return all;
}

std::string refusal(const Combination& combination) {
  std::unique_ptr<model::Session> session;
  try {
    session = prepared(combination);
  } catch (const Error& error) {  // Unsupported among them
    const std::string text = error.what();
    for (const std::string& part :
         {combination.family, combination.prior, combination.likelihood, combination.objective})
      if (text.find(part) != std::string::npos) return text;
    throw std::runtime_error("it is refused without a name: " + text);
  }
  Silent observer;
  train_and_resume(combination, std::move(session), observer);
  return unheeded(combination);
}

std::string unheeded(const Combination& combination) {
  if (!have_condition(combination.rows) && !have_gaps(combination.rows)) return {};
  const auto session = prepared(combination);
  session->assembly->set_training(true);
  session->assembly->set_step(0);
  const Batch batch = session->batches->training(0);
  const at::Tensor loss = loss_of(*session, batch);
  Batch other = batch;
  if (have_condition(combination.rows)) {
    other.context.condition = 1 - batch.context.condition;
    if (alike(loss_of(*session, other), loss)) return "it trains, and its loss looks at no condition";
  }
  if (!have_gaps(combination.rows)) return {};
  other = batch;
  other.context.mask = at::ones_like(batch.context.mask);
  if (alike(loss_of(*session, other), loss))
    return "it trains, and its loss does not depend on which values are missing: x counts in the encoder alone";
  close_eyes(session->assembly->model());
  other = batch;
  other.x = at::where(batch.context.mask, batch.x, 1 - batch.x);
  if (!alike(loss_of(*session, other), loss_of(*session, batch)))
    throw std::runtime_error("its loss depends on values that are missing");
  return {};
}

std::map<std::string, at::Tensor> trained_in_parts(const Combination& combination,
                                                   train::Observer& observer) {
  return train_and_resume(combination, prepared(combination), observer);
}

std::map<std::string, at::Tensor> handed_over(const Combination& first, const Combination& second) {
  const Folder folder;
  trained(*prepared(first), folder.path() / "run", 2);
  return trained(*prepared(second), folder.path() / "run", 3);
}

std::unique_ptr<model::Session> trained_session(const Combination& combination) {
  const Folder folder;
  auto session = prepared(combination);
  trained(*session, folder.path() / "run", 3);
  session->assembly->set_training(false);
  return session;
}

std::string not_recordable(const Combination& combination) {
  try {
    prepared(combination);
  } catch (const Error&) {
    return {};
  }
  if (const std::string reads = host_reads_of_a_step(combination); !reads.empty())
    return "the host reads: " + reads;
  constexpr int64_t kSteps = train::RepeatedStep::kPlainSteps + 3;
  const Folder folder;
  const auto longer = [&] { return prepared(combination, kSteps); };
  const auto plain = trained(*longer(), folder.path() / "plain", kSteps);
  const auto replayed =
      trained(*longer(), folder.path() / "replayed", kSteps, [] { return std::make_unique<Again>(); });
  for (const auto& [name, tensor] : plain)
    if (!at::equal(tensor, replayed.at(name))) return "replayed, " + name + " has other bits";
  auto session = longer();
  std::string reason;
  const Model& model = session->assembly->model();
  const auto on_cpu = train::tape_recorder(model.options.device(), model.rng);
  if (!on_cpu) return {};  // another device
  const auto by_kernels = trained(*session, folder.path() / "kernels", kSteps, on_cpu, Reasons(reason));
  for (const auto& [name, tensor] : plain)
    if (!at::equal(tensor, by_kernels.at(name))) return "replayed on the CPU, " + name + " has other bits";
  return reason;
}

std::vector<Combination> all() {
  std::vector<Combination> result;
  const Offered& o = offered();
  for (const std::string& family : o.families)
    for (const std::string& prior : o.priors)
      for (const std::string& likelihood : o.likelihoods)
        for (const std::string& objective : o.objectives)
          result.push_back({family, prior, likelihood, objective});
  return result;
}

std::vector<Combination> pairwise() {
  using Pair = std::pair<std::string, std::string>;
  const auto pairs_of = [](const Combination& c) {
    const std::string parts[] = {"f" + c.family, "p" + c.prior, "l" + c.likelihood, "o" + c.objective};
    std::vector<Pair> pairs;
    for (int i = 0; i < 4; ++i)
      for (int j = i + 1; j < 4; ++j) pairs.emplace_back(parts[i], parts[j]);
    return pairs;
  };
  std::vector<Combination> candidates = all(), chosen;
  std::shuffle(candidates.begin(), candidates.end(), std::mt19937_64(1));
  std::set<Pair> missing;
  for (const Combination& c : candidates)
    for (Pair& pair : pairs_of(c)) missing.insert(std::move(pair));
  // Those that bring most new pairs first.
  for (int wanted = 6; wanted > 0; --wanted)
    for (const Combination& c : candidates) {
      const std::vector<Pair> pairs = pairs_of(c);
      const auto fresh =
          std::count_if(pairs.begin(), pairs.end(), [&](const Pair& p) { return missing.contains(p); });
      if (fresh < wanted) continue;
      chosen.push_back(c);
      for (const Pair& pair : pairs) missing.erase(pair);
    }
  return chosen;
}

int run(const std::vector<Combination>& combinations) {
  std::string problems;
  int trained_ones = 0, wrong = 0;
  for (const Combination& combination : combinations) try {
      trained_ones += refusal(combination).empty();
    } catch (const c10::Error& error) {
      if (++wrong <= 20)
        problems += "\n" + combination.name() + ": LibTorch: " + error.what_without_backtrace();
    } catch (const std::exception& error) {
      if (++wrong <= 20) problems += "\n" + combination.name() + ": " + error.what();
    }
  if (wrong > 0) throw std::runtime_error(std::to_string(wrong) + " combinations went wrong:" + problems);
  return trained_ones;
}

}  // namespace variform::composition
