// The library that `import variform` loads by torch.classes.load_library: it registers the two classes of run.h with
// LibTorch, so that Python's own binary interface is not needed, and turns C++ exceptions into Python's.

#include <torch/custom_class.h>

#include <mutex>
#include <string>
#include <vector>

#include "python/call.h"
#include "python/components.h"
#include "python/messages.h"
#include "python/run.h"
#include "python/views.h"
#include "python/words.h"
#include "python/work.h"

// Read by Python from the file before anything of it runs: a library for another LibTorch would load and compute
// nonsense.
extern "C" [[gnu::used, gnu::visibility("default")]] const char variform_python_built_for[] =
    "variform_python built for LibTorch " VARIFORM_LIBTORCH_MINOR ";";

namespace variform::python {
namespace {

using Self = c10::intrusive_ptr<Run>;
using OfBatch = c10::intrusive_ptr<Posterior>;
using Integer = std::optional<int64_t>;

template <class Holder, class Call>
auto in(const c10::intrusive_ptr<Holder>& holder, const Call& call) {
  return in_words([&] {
    const std::lock_guard lock(holder->mutex());
    return call();
  });
}

int64_t rows_of(const Tensor& x) { return x.dim() > 0 ? x.size(0) : 0; }
int64_t rows_of_latents(const Tensor& z) { return z.dim() > 1 ? z.size(-2) : 1; }

Self opened(const std::string& path, const std::string& which, std::vector<std::string> overrides,
            const std::string& surroundings) {
  return in_words([&] {
    return c10::make_intrusive<Run>(
        Opening{surroundings_of(surroundings), path, which, std::move(overrides)});
  });
}

void bind_state(torch::class_<Run>& run) {
  run.def("like", [](const Self& self, const Tensor& probe) {
    return in(self, [&] { return c10::make_intrusive<Run>(*self, probe.options()); });
  });
  run.def("tensors", [](const Self& self) { return in(self, [&] { return self->tensors(); }); });
  run.def("facts", [](const Self& self) { return in(self, [&] { return self->facts(); }); });
  run.def("set_training", [](const Self& self, bool on) { in(self, [&] { self->set_training(on); }); });
  run.def("seed", [](const Self& self, int64_t seed) { in(self, [&] { self->seed(seed); }); });
  run.def("condition", [](const Self& self, const std::string& text) {
    return in(self, [&] { return self->condition(text); });
  });
  run.def("size", [](const Self& self, const std::string& split) {
    return in(self, [&] { return self->size(split); });
  });
  run.def("rows", [](const Self& self, const std::string& split, int64_t first, int64_t count) {
    return in(self, [&] { return self->rows(split, first, count); });
  });
  run.def("evaluate", [](const Self& self, const std::string& split, const std::string& options) {
    return in(self, [&] { return self->evaluate(split, options); });
  });
  run.def("save", [](const Self& self, const std::string& file, int64_t step) {
    in(self, [&] { self->save(file, step); });
  });
}

void bind_functions(torch::class_<Run>& run) {
  run.def("posterior", [](const Self& self, const Tensor& x, const Known& known) {
    return in(self, [&] { return self->posterior(x, self->context(rows_of(x), known)); });
  });
  run.def("decode", [](const Self& self, const Tensor& z, const Known& known) {
    return in(self, [&] { return self->decode(z, self->context(rows_of_latents(z), known)); });
  });
  run.def("nll", [](const Self& self, const Tensor& x, const Tensor& z, const Known& known) {
    return in(self, [&] { return self->nll(x, z, self->context(rows_of(x), known)); });
  });
  run.def("log_prior", [](const Self& self, const Tensor& z, const Known& known) {
    return in(self, [&] { return self->log_prior(z, self->context(rows_of_latents(z), known)); });
  });
  run.def("jacobian", [](const Self& self, const Tensor& z, const Known& known) {
    return in(self, [&] { return self->jacobian(z, self->context(rows_of_latents(z), known)); });
  });
  run.def("hessian", [](const Self& self, const Tensor& x, const Tensor& z, const std::string& form,
                        const Known& known) {
    return in(self, [&] { return self->hessian(x, z, self->context(rows_of(x), known), form); });
  });
  run.def("terms", [](const Self& self, const Tensor& x, Integer step, const Known& known) {
    return in(self, [&] { return self->terms(x, step, self->context(rows_of(x), known)); });
  });
  run.def("sample_prior", [](const Self& self, int64_t n, Integer seed, const Known& known) {
    return in(self, [&] { return self->sample_prior(n, seed, self->context(n, known)); });
  });
  run.def("data_mean",
          [](const Self& self, const Tensor& g) { return in(self, [&] { return self->data_mean(g); }); });
  run.def("sample_data", [](const Self& self, const Tensor& g, Integer seed) {
    return in(self, [&] { return self->sample_data(g, seed); });
  });
  run.def("unscaled",
          [](const Self& self, const Tensor& x) { return in(self, [&] { return self->unscaled(x); }); });
}

void bind_posterior(torch::class_<Posterior>& q) {
  q.def("location", [](const OfBatch& self) { return in(self, [&] { return self->location(); }); });
  q.def("mean", [](const OfBatch& self) { return in(self, [&] { return self->mean(); }); });
  q.def("covariance", [](const OfBatch& self) { return in(self, [&] { return self->covariance(); }); });
  q.def("variance", [](const OfBatch& self) { return in(self, [&] { return self->variance(); }); });
  q.def("entropy", [](const OfBatch& self) { return in(self, [&] { return self->entropy(); }); });
  q.def("rsample", [](const OfBatch& self, Integer count, Integer seed) {
    return in(self, [&] { return self->rsample(count, seed); });
  });
  q.def("log_prob",
        [](const OfBatch& self, const Tensor& z) { return in(self, [&] { return self->log_prob(z); }); });
  q.def("kl", [](const OfBatch& self, int64_t draws, Integer seed) {
    return in(self, [&] { return self->kl(draws, seed); });
  });
  q.def("has_closed_kl", [](const OfBatch& self) { return in(self, [&] { return self->has_closed_kl(); }); });
}

}  // namespace

TORCH_LIBRARY(variform, library) {
  bind_views(library);
  bind_calls(library);
  bind_components(library);
  bind_work(library);
  auto q = library.class_<Posterior>("Posterior");
  bind_posterior(q);
  auto run = library.class_<Run>("Run");
  run.def(torch::init(&opened));
  bind_state(run);
  bind_functions(run);
  library.def("messages", [] { return messages().take(); });  // of all models of this process
}

}  // namespace variform::python
