// Right components that do, at one place, what a plugin never may: VARIFORM_TEST_HOSTILE="PLACE WAY [STEP]". Places: load,
// constructor, posterior, rsample, nll, decode, backward, posterior-destructor, destructor. Ways that end: exit, _exit,
// _Exit, quick_exit, abort, terminate, throw, int, segv, recursion, fpe, ill, bus, kill, pthread_exit, loop, sleep, frames.
// Ways that change what is not theirs: round, denormals, traps, dtype, gradients, threads, folder, locale, environment,
// handler, mask, umask, stdout, stderr, limit, alarm, generator, deterministic, vectors, products, tf32, reductions, cudnn,
// onednn, print. STEP: of the training, 0 without it; "first": at every call, from the first on.

#include <variform/gaussian_posterior.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/DefaultDtype.h>
#include <torch/csrc/autograd/custom_function.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cfenv>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>

#include <xmmintrin.h>

namespace {

using variform::Tensor;

// Without an end, but for a number that nobody has.
int deeper(volatile int* last) {
  volatile int here[64] = {*last + 1};
  if (here[0] == -1) return 0;
  return deeper(here) + here[0];
}

void end_by(const std::string& way) {
  if (way == "exit") std::exit(0);
  if (way == "_exit") ::_exit(0);
  if (way == "_Exit") std::_Exit(0);
  if (way == "quick_exit") std::quick_exit(0);
  if (way == "abort") std::abort();
  if (way == "terminate") std::terminate();
  if (way == "throw") throw std::runtime_error("the sensor fell off");
  if (way == "int") throw 42;
  if (way == "frames") at::ones({2, 3}).mm(at::ones({2, 3}));
  if (way == "segv") ::raise(SIGSEGV);
  if (way == "fpe") ::raise(SIGFPE);
  if (way == "ill") ::raise(SIGILL);
  if (way == "bus") ::raise(SIGBUS);
  if (way == "kill") ::raise(SIGKILL);
  if (way == "pthread_exit") ::pthread_exit(nullptr);
  if (way == "sleep") ::sleep(1000);
  volatile int start = 0;
  if (way == "recursion") deeper(&start);
  while (way == "loop") start = start + 1;
}

void change(const std::string& way) {
  if (way == "round") std::fesetround(FE_UPWARD);
  if (way == "denormals") _mm_setcsr(_mm_getcsr() ^ 0x8040U);
  if (way == "traps") ::feenableexcept(FE_DIVBYZERO);
  if (way == "dtype") c10::set_default_dtype(caffe2::TypeMeta::Make<double>());
  if (way == "gradients") at::GradMode::set_enabled(false);
  if (way == "threads") at::set_num_threads(at::get_num_threads() + 2);
  if (way == "folder" && ::chdir("/") != 0) std::abort();
  if (way == "locale") std::setlocale(LC_ALL, "C.UTF-8");
  if (way == "environment") ::setenv("OMP_NUM_THREADS", "7", 1);
  if (way == "handler") ::signal(SIGTERM, SIG_IGN);
  if (way == "umask") ::umask(0);
  if (way == "stdout") ::close(STDOUT_FILENO);
  if (way == "stderr" && ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO) < 0) std::abort();
  if (way == "alarm") ::alarm(1000);
  if (way == "generator") at::rand({1});
  if (way == "deterministic") at::globalContext().setDeterministicAlgorithms(true, true);
  if (way == "vectors") _MM_SET_ROUNDING_MODE(_MM_ROUND_UP);
  if (way == "products") at::globalContext().setFloat32MatmulPrecision("medium");
  if (way == "tf32")
    at::globalContext().setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::MATMUL,
                                            at::Float32Precision::TF32);
  if (way == "reductions") at::globalContext().setAllowBF16ReductionCuBLAS(false, false);
  if (way == "cudnn") at::globalContext().setDeterministicCuDNN(true);
  if (way == "onednn") at::globalContext().setUserEnabledMkldnn(false);
  if (way == "print") std::puts("{\"not\": \"json\"}");
  if (way == "mask") {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
  }
  if (way == "limit") {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    --limit.rlim_cur;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

void at_place(const std::string& place, int64_t step) {
  const char* text = std::getenv("VARIFORM_TEST_HOSTILE");
  std::istringstream words(text ? text : "");
  std::string wanted, way, when = "0";
  words >> wanted >> way >> when;
  if (wanted != place || (when != "first" && step >= 0 && std::stoll(when) != step)) return;
  if (when != "first" && step < 0 && place != "load" && !place.ends_with("constructor")) return;
  end_by(way);
  change(way);
}

struct AtLoad {
  AtLoad() { at_place("load", 0); }
} at_load;

// The identity; its derivative, too.
class Guest : public torch::autograd::Function<Guest> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x, int64_t step) {
    context->saved_data["step"] = step;
    return x.clone();
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    at_place("backward", context->saved_data["step"].toInt());
    return {gradients[0], Tensor()};
  }
};

class HostilePosterior final
    : public variform::With<variform::Posterior, variform::ClosedEntropy, variform::Moments> {
 public:
  HostilePosterior(const variform::Model& model, const Tensor& params)
      : model_(model),
        gaussian_(params.chunk(2, 1)[0],
                  variform::Covariance::diagonal((0.5 * params.chunk(2, 1)[1]).exp())) {}
  ~HostilePosterior() override { at_place("posterior-destructor", model_.step()); }
  Tensor location() const override { return gaussian_.location(); }
  variform::Draw rsample(int64_t K, variform::Generator& rng) const override {
    at_place("rsample", model_.step());
    variform::Draw draw = gaussian_.rsample(K, rng);
    draw.z = Guest::apply(draw.z, model_.step());
    return draw;
  }
  Tensor log_prob(const variform::Draw& draw) const override { return gaussian_.log_prob(draw); }
  Tensor entropy() const override { return gaussian_.entropy(); }
  std::optional<variform::Covariance> covariance() const override { return gaussian_.covariance(); }

 private:
  const variform::Model& model_;
  variform::GaussianPosterior gaussian_;
};

class HostileFamily final : public variform::VariationalFamily {
 public:
  explicit HostileFamily(const variform::Build& build) : model_(*build.model) { at_place("constructor", 0); }
  ~HostileFamily() override { at_place("destructor", 0); }
  int64_t parameter_count(int64_t d) const override { return 2 * d; }
  std::unique_ptr<variform::Posterior> posterior(const Tensor& params, const Tensor&,
                                                 const variform::Context&) override {
    at_place("posterior", model_.step());
    return std::make_unique<HostilePosterior>(model_, params);
  }

 private:
  const variform::Model& model_;
};

class HostileDecoder final : public variform::Decoder {
 public:
  explicit HostileDecoder(const variform::Build& build) : model_(*build.model), shape_(build.data) {
    variform::Generator rng = build.rng;
    a_ = register_parameter(
        "a", at::randn({build.latent, build.data_size() * build.outputs}, rng, build.options) / 8);
    shape_[0] *= build.outputs;
    shape_.insert(shape_.begin(), -1);
  }
  Tensor decode(const Tensor& z, const variform::Context&) override {
    at_place("decode", model_.step());
    return z.mm(a_).reshape(shape_);
  }

 private:
  const variform::Model& model_;
  variform::Shape shape_;
  Tensor a_;
};

class HostileLikelihood final : public variform::With<variform::Likelihood, variform::CurvatureForm> {
 public:
  explicit HostileLikelihood(const variform::Build& build)
      : model_(*build.model), sides_(static_cast<int64_t>(build.data.size())) {}
  int64_t outputs() const override { return 1; }
  variform::Domain domain() const override { return variform::Domain::kReal; }
  Tensor nll(const Tensor& x, const Tensor& g, const variform::Context&) override {
    at_place("nll", model_.step());
    return 0.5 * (x.unsqueeze(1) - g).square().flatten(g.dim() - x.dim()).sum(-1);
  }
  Tensor curvature_form(const Tensor&, const Tensor& g, const Tensor& t, variform::Curvature,
                        const variform::Context&) override {
    return variform::diagonal_curvature_form(t, at::ones_like(g).to(t.scalar_type()));
  }
  Tensor mean(const Tensor& g) override { return g.select(g.dim() - 1 - sides_, 0); }
  Tensor sample(const Tensor& g, variform::Generator&) override { return mean(g); }

 private:
  const variform::Model& model_;
  int64_t sides_;
};

constexpr const char* kSource = "Variform's tests of plugins as guests";

}  // namespace

VARIFORM_PLUGIN("org.variform.test.hostile", "1.0.0",
                variform::component<HostileFamily>("hostile", "A diagonal Gaussian that harms as told.",
                                                   kSource),
                variform::component<HostileDecoder>("hostile", "A linear map that harms as told.", kSource),
                variform::component<HostileLikelihood>("hostile", "A unit Gaussian that harms as told.",
                                                       kSource))
