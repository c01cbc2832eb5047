// The two pushforward tiers that need only decode() from a decoder: forward-mode automatic differentiation and
// double backward.

#include <variform/ext/decoder.h>
#include <variform/nn/layer.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/forward_grad.h>

#include "tangents.h"

#include <mutex>
#include <string_view>

namespace variform {
inline namespace v2 {
namespace {

// Holds a forward-mode level. Levels are process-global and do not nest, so there is one at a time, always released.
class DualLevel {
 public:
  DualLevel() : lock_(mutex()), level_(torch::autograd::ForwardADLevel::get_next_idx()) { entered() = true; }
  ~DualLevel() {
    entered() = false;
    torch::autograd::ForwardADLevel::release_idx(level_);
  }
  DualLevel(const DualLevel&) = delete;
  DualLevel& operator=(const DualLevel&) = delete;
  int64_t level() const { return static_cast<int64_t>(level_); }

 private:
  static std::mutex& mutex() {
    if (entered())  // locking again would deadlock
      throw Unsupported(
          "a pushforward inside decode() cannot be differentiated in forward mode, whose levels do not nest; "
          "override pushforward() in that decoder");
    static std::mutex instance;
    return instance;
  }
  static bool& entered() {
    thread_local bool here = false;
    return here;
  }
  std::lock_guard<std::mutex> lock_;
  uint64_t level_;
};

// Returns z repeated for every tangent, [T·N, d], and the tangents folded in the same way, both contiguous: for N = 1
// the reshapes would be views of one row, which in-place operations of the decoder or of forward mode cannot write.
std::pair<Tensor, Tensor> fold(const Tensor& z, const Tensor& v) {
  return {z.unsqueeze(0).expand(v.sizes()).flatten(0, 1).contiguous(), v.flatten(0, 1).contiguous()};
}

void refuse_inference_mode() {
  if (c10::InferenceMode::is_enabled())
    throw Unsupported(
        "a pushforward by automatic differentiation needs recorded operations, which inference mode forbids "
        "(forward mode would silently give zeros); use no_grad instead");
}

// Whether the error is about an operation without forward derivative: LibTorch's own, or a C++ autograd::Function.
bool lacks_forward_derivative(const c10::Error& error) {
  return dynamic_cast<const c10::NotImplementedError*>(&error) != nullptr ||
         std::string_view(error.what_without_backtrace()).find("jvp is not implemented") !=
             std::string_view::npos;
}

}  // namespace

void check_tangents(const Tensor& z, const Tensor& v) {
  if (v.dim() != 3 || z.dim() != 2 || v.size(0) < 1 || v.size(1) != z.size(0) || v.size(2) != z.size(1))
    throw Error("pushforward expects z [N, d] and tangents v [T, N, d], T ≥ 1; found z " +
                to_text(z.sizes()) + " and v " + to_text(v.sizes()));
}

const char* to_string(PushforwardTier tier) {
  switch (tier) {
    case PushforwardTier::kUndecided: return "undecided";
    case PushforwardTier::kLayers: return "layers";
    case PushforwardTier::kForwardMode: return "forward-mode automatic differentiation";
    case PushforwardTier::kDoubleBackward: return "double backward";
    case PushforwardTier::kOwn: return "its own";
  }
  return "";
}

Pushed pushforward_forward_mode(Decoder& decoder, const Tensor& z, const Tensor& v, const Context& context) {
  check_tangents(z, v);
  refuse_inference_mode();
  const auto [points, tangents] = fold(z, v);
  const DualLevel level;
  const Tensor dual = at::_make_dual(points, tangents, level.level());
  const auto [g, jv] = at::_unpack_dual(decoder.decode(dual, context.repeated(v.size(0))), level.level());
  // A decoder that ignores z gives no tangent at all.
  return {nn::unfold(g, v.size(0))[0], nn::unfold(jv.defined() ? jv : at::zeros_like(g), v.size(0))};
}

Pushed pushforward_double_backward(Decoder& decoder, const Tensor& z, const Tensor& v,
                                   const Context& context) {
  check_tangents(z, v);
  refuse_inference_mode();
  const bool record = at::GradMode::is_enabled();
  at::AutoGradMode grad(true);
  auto [points, tangents] = fold(z, v);
  if (!points.requires_grad()) points = points.detach().requires_grad_(true);
  const Tensor g = decoder.decode(points, context.repeated(v.size(0)));
  Tensor jv = at::zeros_like(g);  // stays when g does not depend on z
  if (g.requires_grad()) {
    const Tensor u = at::zeros_like(g).requires_grad_(true);
    const Tensor pullback =
        torch::autograd::grad({g}, {points}, {u}, /*retain_graph=*/true, /*create_graph=*/true,
                              /*allow_unused=*/true)[0];
    if (pullback.defined() && pullback.requires_grad()) {
      const Tensor found = torch::autograd::grad({pullback}, {u}, {tangents}, /*retain_graph=*/true, record,
                                                 /*allow_unused=*/true)[0];
      if (found.defined()) jv = found;
    }
  }
  const Tensor first = nn::unfold(g, v.size(0))[0];
  return {record ? first : first.detach(), nn::unfold(record ? jv : jv.detach(), v.size(0))};
}

Pushed Decoder::pushforward(const Tensor& z, const Tensor& v, const Context& context) {
  if (auto* own = variform::ability<Pushforward>(*this)) return own->pushforward(z, v, context);
  if (tier_ != PushforwardTier::kDoubleBackward) {
    try {
      Pushed pushed = pushforward_forward_mode(*this, z, v, context);
      tier_ = PushforwardTier::kForwardMode;
      return pushed;
    } catch (const c10::Error& error) {
      if (!lacks_forward_derivative(error)) throw;
    }
  }
  Pushed pushed = pushforward_double_backward(*this, z, v, context);
  tier_ = PushforwardTier::kDoubleBackward;
  return pushed;
}

Pullback Decoder::pullback_metric(const Tensor& z, const Tensor& v, const Context& context) {
  if (auto* own = variform::ability<PullbackMetric>(*this)) return own->pullback_metric(z, v, context);
  const Pushed pushed = pushforward(z, v, context);
  return {pushed.g, inner_products(pushed.jv)};
}

PushforwardTier Decoder::pushforward_tier() const {
  const auto* own = variform::ability<Pushforward>(*this);
  return own ? own->pushforward_tier() : tier_.load();
}

bool Decoder::rows_independent() const {
  const auto* known = variform::ability<RowsIndependent>(*this);
  return !known || known->rows_independent();
}

bool Decoder::piecewise_linear() const {
  const auto* known = variform::ability<PiecewiseLinear>(*this);
  return known && known->piecewise_linear();
}

Tensor inner_products(const Tensor& jv) {
  const Tensor rows = jv.flatten(2);  // [T, N, P]
  return rows.transpose(0, 1).bmm(rows.permute({1, 2, 0}));
}

}  // namespace v2
}  // namespace variform
