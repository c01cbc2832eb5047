// See side_effects.h.

#include "model/side_effects.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <functional>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include <variform/calls.h>

#include "base/caught_output.h"
#include "plugins/ambient.h"
#include "plugins/host_reads.h"

namespace variform::model {
namespace {

// Restores the global generator and the gradient mode.
class Ambient {
 public:
  explicit Ambient(const at::Device& device)
      : generator_(at::globalContext().defaultGenerator(device)),
        state_(generator_.get_state()),
        gradients_(at::GradMode::is_enabled()) {}
  ~Ambient() {
    generator_.set_state(state_);
    at::GradMode::set_enabled(gradients_);
  }
  Ambient(const Ambient&) = delete;
  Ambient& operator=(const Ambient&) = delete;
  bool has_drawn() const { return !generator_.get_state().equal(state_); }
  bool has_switched_gradients() const { return at::GradMode::is_enabled() != gradients_; }

 private:
  Generator generator_;
  Tensor state_;
  bool gradients_;
};

class Watch {
 public:
  explicit Watch(Assembly& assembly) : assembly_(assembly) {
    for (Kind kind : assembly.kinds())
      for (const auto& item : assembly.model().component(kind)->named_buffers())
        buffers_.emplace_back(item.value(), item.value().detach().clone());
  }
  ~Watch() { restore(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // Calls one function of one component twice, and returns the first value.
  Tensor look(Kind kind, const char* function, const std::function<Tensor()>& call) {
    const std::string who =
        std::string(to_string(kind)) + " " + assembly_.model().label(kind) + ", in " + function + ", ";
    const Tensor first = observed(kind, function, who, call);
    restore();
    assembly_.set_step(0);
    const Tensor second = observed(kind, function, {}, call);
    if (first.defined() && first.is_cpu() && first.isfinite().all().item<bool>() && !first.equal(second))
      find(kind, "values",
           who +
               "gives other values at a second call with the same random numbers: it draws from elsewhere or "
               "keeps something between calls. A resumed training is not the same, nor is another run.");
    return first;
  }
  void find(Kind kind, const std::string& what, const std::string& sentence) {
    // A side effect shows again in the component's other functions, and in the objective, which calls it.
    std::set<Kind>& found = found_[what];
    if (found.contains(kind) || (kind == Kind::kObjective && !found.empty())) return;
    found.insert(kind);
    findings.push_back(sentence);
  }

  std::vector<std::string> findings;

 private:
  void restore() {
    const at::NoGradGuard no_grad;
    for (const auto& [buffer, before] : buffers_) Tensor(buffer).copy_(before);
  }

  // Restores the state of the process, and reports changes when `who` is given.
  class Shared {
   public:
    Shared(Watch& watch, Kind kind, std::string who) : watch_(watch), kind_(kind), who_(std::move(who)) {}
    ~Shared() {
      const std::vector<std::string> changes = before_.restore();
      if (who_.empty() || changes.empty()) return;
      watch_.find(kind_, "shared", plugins::changed_text(who_.substr(0, who_.size() - 2), changes));
    }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

   private:
    Watch& watch_;
    Kind kind_;
    std::string who_;
    plugins::AmbientState before_ = plugins::AmbientState::now();
  };

  // Calls, and reports side effects when `who` is given.
  Tensor observed(Kind kind, const char* function, const std::string& who,
                  const std::function<Tensor()>& call) {
    restore();
    assembly_.set_step(0);
    assembly_.model().set_step(-1);
    const Calling calling(to_string(kind), assembly_.model().label(kind).c_str(), function, -1);
    const Shared shared(*this, kind, who);
    const Ambient ambient(assembly_.spec().options.device());
    const base::CaughtOutput output;
    const plugins::CountedHostReads reads;
    const Tensor value = call();
    const int64_t read = reads.count();
    if (who.empty()) return value;
    if (ambient.has_drawn())
      find(kind, "generator",
           who +
               "draws from LibTorch's global generator: two runs of one seed differ, and a resumed training "
               "is not the same. Draw from the generator that the function is given (model.rng).");
    if (output.any())
      find(kind, "output",
           who +
               "prints to stdout, which belongs to the command's result (--json, the run's path). Throw an "
               "error, or print to stderr.");
    if (read > 0)
      find(kind, "host",
           fmt::format("{}reads values on the host (.item() and the like, {}{} per call): a step cannot be "
                       "recorded, and what is decided there has no gradient.",
                       who, read, read == 1 ? " time" : " times"));
    if (ambient.has_switched_gradients())
      find(kind, "gradients",
           who + "switches the recording of gradients and leaves it so. Use at::NoGradGuard.");
    return value;
  }

  Assembly& assembly_;
  std::vector<std::pair<Tensor, Tensor>> buffers_;  // and what they were
  std::map<std::string, std::set<Kind>> found_;     // by what was found
};

// The components themselves are called, not the model, which puts modes back.
void look_at_all(Watch& watch, Model& model, const Batch& rows) {
  const Tensor params =
      watch.look(Kind::kEncoder, "encode", [&] { return model.encoder().encode(rows.x, rows.context); });
  std::unique_ptr<Posterior> posterior;
  watch.look(Kind::kFamily, "posterior", [&] {
    posterior = model.family().posterior(params, rows.x, rows.context);
    return posterior->location();
  });
  Draw draw;
  const Tensor z = watch.look(Kind::kFamily, "rsample", [&] {
    draw = posterior->rsample(1, model.rng);
    return draw.z;
  });
  if (params.requires_grad() && !z.requires_grad())
    watch.find(Kind::kFamily, "detached",
               std::string("family ") + model.label(Kind::kFamily) +
                   ", in rsample, gives draws that do not depend on the encoder's parameters: is the draw "
                   "detached? Nothing of the reconstruction would train the encoder.");
  watch.look(Kind::kFamily, "log_prob", [&] {
    try {
      return posterior->log_prob(draw);
    } catch (const Unsupported&) {  // a family without a density
      return Tensor();
    }
  });
  Tensor g;
  watch.look(Kind::kDecoder, "decode", [&] {
    model.decoder().decode(z.flatten(0, 1), rows.context.repeated(z.size(0)));
    return g = model.decode(z, rows.context);
  });
  watch.look(Kind::kLikelihood, "nll", [&] { return model.likelihood().nll(rows.x, g, rows.context); });
  watch.look(Kind::kPrior, "log_prob", [&] {
    try {
      return model.prior().log_prob(z, rows.context);
    } catch (const Unsupported&) {
      return Tensor();
    }
  });
  watch.look(Kind::kObjective, "evaluate", [&] { return model.objective().evaluate(model, rows).loss; });
}

}  // namespace

std::vector<std::string> what_components_do(Assembly& assembly, const Batch& rows) {
  Watch watch(assembly);
  try {
    look_at_all(watch, assembly.model(), rows);
  } catch (const std::exception&) {  // the step on the same rows, which follows, names what throws
  }
  return watch.findings;
}

}  // namespace variform::model
