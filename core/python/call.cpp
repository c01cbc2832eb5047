// See call.h.

#include "python/call.h"

#include <torch/custom_class.h>

#include <algorithm>
#include <atomic>
#include <utility>

namespace variform::python {
namespace {

using Function = int64_t (*)(int64_t object);  // 0: answered

struct Frame {
  const char* function;
  Arguments arguments;
  Answer answer = {};
  std::string failure = {};
  bool is_unsupported = false;
};

// Null before the first component in Python, and again when Python ends.
std::atomic<Function> into_python = nullptr;
thread_local Frame* innermost = nullptr;

class Entered {
 public:
  explicit Entered(Frame& frame) : before_(std::exchange(innermost, &frame)) {}
  ~Entered() { innermost = before_; }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  Frame* before_;
};

Frame& frame() {
  TORCH_CHECK_VALUE(innermost, "no component in Python is being called.");
  return *innermost;
}

using Tensors = std::vector<std::optional<Tensor>>;

std::tuple<std::string, Tensors, std::vector<int64_t>, std::string> arguments() {
  const Frame& now = frame();
  return {now.function, now.arguments.tensors, now.arguments.numbers, now.arguments.text};
}

void answer(const Tensors& tensors, const std::vector<double>& numbers,
            const std::vector<std::string>& names) {
  frame().answer = {tensors, numbers, names};
}

void fail(const std::string& text, bool is_unsupported) {
  frame().failure = text;
  frame().is_unsupported = is_unsupported;
}

}  // namespace

Tensor Answer::tensor(std::size_t i) const {
  return i < tensors.size() && tensors[i] ? *tensors[i] : Tensor();
}

Answer call(int64_t object, const char* function, Arguments arguments) {
  const Function python = into_python;
  if (!python) throw Error("Python has ended, and this component is written in Python.");
  Frame now{function, std::move(arguments)};
  const Entered entered(now);
  if (python(object) == 0) return std::move(now.answer);
  if (now.is_unsupported) throw Unsupported(now.failure);
  throw Error(now.failure);
}

Object::Object(int64_t number, std::vector<std::string> abilities)
    : number_(number), abilities_(std::move(abilities)) {}

Object::~Object() {
  const Function python = into_python;
  if (!python) return;
  Frame now{"release", {}};
  const Entered entered(now);
  python(number_);
}

Answer Object::call(const char* function, Arguments arguments) const {
  return python::call(number_, function, std::move(arguments));
}

bool Object::has(std::string_view function) const {
  return std::find(abilities_.begin(), abilities_.end(), function) != abilities_.end();
}

void bind_calls(torch::Library& library) {
  library.def("call_by", [](int64_t address) { into_python = reinterpret_cast<Function>(address); });
  library.def("call_arguments", &arguments);
  library.def("call_rng", [] { return frame().arguments.rng; });
  library.def("call_model", [] { return frame().arguments.model; });
  library.def("call_posterior", [] { return frame().arguments.posterior; });
  library.def("call_answer", &answer);
  library.def("call_failed", &fail);
}

}  // namespace variform::python
