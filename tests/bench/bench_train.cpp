// A training that takes turns with others: Variform's side of the paired timings of bench.py. It is the program's own
// training loop, held between two steps by the callback that otherwise looks for Ctrl-C.
//   bench-train CONFIG FOLDER DESCRIPTORS [THREADS]
// Several of them, started with the variables of torchrun, train one model together.
// Plugins come from VARIFORM_PLUGINS, data from VARIFORM_DATA. At the start it leaves in FOLDER what others need to train
// the same model on the same batches: initial.pt and initial.py (as `variform export`), batches.i64 (row numbers of the
// first batches). It says {"ready": true, "rss_kib": …, "cpu": …, "threads": …}, with LibTorch's word for the kernels
// that it uses, and who computes the products of linear layers. Then it reads lines of JSON: {"steps": N} trains N steps and answers
// {"seconds": …, "loss": …, "peak_kib": …}, the loss averaged over the last train.log_every steps; with "profile": true also
// {"operations": {name: [seconds, calls]}}, the time inside each LibTorch operation but not inside those that it calls, which
// slows the steps down a little. The end of the input ends it.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/load.h"
#include "data/files.h"
#include "export/pytorch.h"
#include "model/process.h"
#include "model/products.h"
#include "model/session.h"
#include "plugins/registry.h"
#include "plugins/search.h"
#include "train/processes.h"
#include "train/trainer.h"

namespace variform {
namespace {

// As many batches as others find in batches.i64: enough for the steps of a figure.
int64_t batches_left(int64_t rows) {
  return std::clamp<int64_t>(256'000 / std::max<int64_t>(rows, 1), 60, 2000);
}

// A line of /proc/self/status: "VmHWM:" is the most memory so far, "VmRSS:" that of now.
int64_t kib(const char* line) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == line) {
      int64_t number = 0;
      status >> number;
      return number;
    }
  return 0;
}

void answer(const nlohmann::json& json) {
  std::printf("%s\n", json.dump().c_str());
  std::fflush(stdout);
}

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The time of each operation of this thread while it lives, less that of the operations inside it.
class Profile {
 public:
  Profile()
      : handle_(at::addThreadLocalCallback(
            at::RecordFunctionCallback(&Profile::begin, &Profile::end)
                .scopes({at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}))) {
    current_ = this;
  }
  ~Profile() {
    at::removeCallback(handle_);
    current_ = nullptr;
  }
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;
  const std::map<std::string, std::pair<double, int64_t>>& operations() const { return operations_; }

 private:
  struct Open {
    Clock::time_point start;
    double inside = 0;
  };
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction&) {
    current_->open_.push_back({Clock::now()});
    return nullptr;
  }
  static void end(const at::RecordFunction& function, at::ObserverContext*) {
    std::vector<Open>& open = current_->open_;
    const double whole = seconds_since(open.back().start);
    auto& [seconds, calls] = current_->operations_[function.name()];
    seconds += whole - open.back().inside;
    ++calls;
    open.pop_back();
    if (!open.empty()) open.back().inside += whole;
  }

  static inline thread_local Profile* current_ = nullptr;  // the callbacks are plain functions
  std::vector<Open> open_;
  std::map<std::string, std::pair<double, int64_t>> operations_;
  at::CallbackHandle handle_;
};

class Turns final : public train::Observer {
 public:
  void stepped(int64_t, int64_t, const std::map<std::string, double>& values) override {
    if (!values.empty()) loss_ = values.at("loss");
    if (--left_ > 0) return;
    nlohmann::json json = {{"seconds", seconds_since(start_)}, {"loss", loss_}, {"peak_kib", kib("VmHWM:")}};
    if (profile_) json["operations"] = profile_->operations();
    profile_.reset();
    answer(json);
  }
  void evaluated(int64_t, const std::string&, const std::map<std::string, double>&, bool) override {}

  // Between two steps: false when the training shall go on.
  bool ended() {
    if (left_ > 0) return false;
    std::string line;
    if (!std::getline(std::cin, line)) return true;
    const nlohmann::json request = nlohmann::json::parse(line);
    left_ = request.at("steps").get<int64_t>();
    if (request.value("profile", false)) profile_.emplace();
    start_ = Clock::now();
    return false;
  }

 private:
  int64_t left_ = 0;
  double loss_ = 0;
  std::optional<Profile> profile_;
  Clock::time_point start_;
};

void leave_initial_state(model::Session& session, const std::filesystem::path& folder) {
  exports::export_weights(session, folder / "initial.pt");
  std::ofstream file(folder / "batches.i64", std::ios::binary);
  const int64_t count = batches_left(session.experiment.train.batch);
  for (int64_t step = 0; step < count; ++step) {
    const Tensor index = session.batches->training(step).context.index.to(at::kLong).contiguous();
    file.write(static_cast<const char*>(index.const_data_ptr()),
               static_cast<std::streamsize>(index.nbytes()));
  }
}

int run(const std::string& config, const std::filesystem::path& folder, const std::string& descriptors,
        int threads) {
  if (threads > 0) at::set_num_threads(threads);
  base::SilentLog log;
  const std::string products = model::choose_products(log);
  config::Diagnostics diagnostics;
  std::vector<config::Dropped> dropped;
  const config::Node root = config::load({config}, {}, diagnostics, dropped);
  const plugins::Registry registry(plugins::search_for({}, {}));
  model::Places places;
  places.data = data::data_folders({});
  places.descriptors.emplace_back(descriptors);
  const auto session =
      model::open_session(model::resolve_experiment(root, registry, places, diagnostics), registry, places);
  leave_initial_state(*session, folder);
  model::RunFolder run = model::RunFolder::create(folder / "run", config::print(session->experiment.resolved),
                                                  model::IfPresent::kOverwrite);
  Turns turns;
  train::Trainer trainer(session->experiment.train, session->horizon, {}, *session->assembly,
                         *session->batches, run, log, turns);
  if (const char* asked = std::getenv("VARIFORM_RECORD"); asked && std::string_view(asked) == "0")
    trainer.record_with({});
  answer({{"ready", true},
          {"rss_kib", kib("VmRSS:")},
          {"cpu", at::get_cpu_capability()},
          {"products", products},
          {"threads", at::get_num_threads()}});
  const std::unique_ptr<train::ProcessGroup> group = train::group_of(0, {});
  if (group) {
    group->require_same({});
    trainer.join(*group);
  }
  if (!turns.ended()) trainer.run(session->horizon, [&turns] { return turns.ended(); });
  return 0;
}

}  // namespace
}  // namespace variform

int main(int argc, char** argv) {
  if (argc < 4 || argc > 5) {
    std::fprintf(stderr, "usage: bench-train CONFIG FOLDER DESCRIPTORS [THREADS]\n");
    return 2;
  }
  variform::model::keep_freed_memory();
  variform::model::flush_denormals();
  try {
    return variform::run(argv[1], argv[2], argv[3], argc == 5 ? std::atoi(argv[4]) : 0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
