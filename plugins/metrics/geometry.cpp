// See geometry.h.

#include "geometry.h"

#include <variform/parallel.h>
#include <variform/plugin.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "activity.h"

namespace variform::metrics {
namespace {

constexpr const char* kNoneActive = "no latent is active";
constexpr const char* kNoBlocks = "the family has no blocks of latents, and none were asked for (--block)";

// Returns M_ij² / (M_ii M_jj), 0 for latents with M_ii = 0.
Tensor squared_cosines(const Tensor& matrices) {
  const Tensor scale = matrices.diagonal(0, 1, 2).abs();
  const Tensor inverse = at::where(scale > 0, 1 / scale, 0.0);
  return matrices.square() * inverse.unsqueeze(1) * inverse.unsqueeze(2);
}

// 1 where row and column lie in the same block, [d, d].
Tensor same_block(const std::vector<int64_t>& blocks, const Tensor& like) {
  const int64_t d = like.size(-1);
  if (blocks.empty()) return at::ones({d, d}, like.options());
  const Tensor mask = at::zeros({d, d}, like.options());
  int64_t start = 0;
  for (int64_t size : blocks) {
    mask.narrow(0, start, size).narrow(1, start, size).fill_(1);
    start += size;
  }
  return mask;
}

Shares shares_of(const Tensor& all_squares, const Tensor& kept, const std::vector<int64_t>& blocks) {
  const Tensor mask = kept.to(all_squares.options());
  const Tensor squares = all_squares * mask * mask.unsqueeze(1);
  const Tensor all = squares.sum({1, 2}), inside = (squares * same_block(blocks, squares)).sum({1, 2});
  const auto share = [&](const Tensor& part) { return at::where(all > 0, part / all, 0.0); };
  const Tensor off = share(all - squares.diagonal(0, 1, 2).sum(1)), across = share(all - inside);
  return {off, off - across, across};
}

// Returns the block of each latent, counted from 0, [d].
Tensor block_indices(const std::vector<int64_t>& blocks) {
  std::vector<int64_t> indices;
  for (std::size_t b = 0; b < blocks.size(); ++b)
    indices.insert(indices.end(), static_cast<std::size_t>(blocks[b]), static_cast<int64_t>(b));
  return at::tensor(indices, at::kLong);
}

void add_shares(Findings& findings, const std::string& name, const Tensor& matrices,
                const Manifold& manifold) {
  const Tensor squares = squared_cosines(matrices);
  const auto add = [&](const Tensor& kept, const std::string& suffix) {
    const std::string off = name + "_off_diagonal" + suffix, within = name + "_within_blocks" + suffix,
                      across = name + "_across_blocks" + suffix;
    if (!kept.any().item<bool>()) {  // there is nothing to take a share of
      for (const std::string& each : {off, within, across}) findings.undefined(each, kNoneActive);
      return;
    }
    const Shares found = shares_of(squares, kept, manifold.blocks);
    findings.rows(off, found.off_diagonal);
    if (manifold.blocks.empty()) {
      for (const std::string& each : {within, across}) findings.undefined(each, kNoBlocks);
      return;
    }
    findings.rows(within, found.within);
    findings.rows(across, found.across);
  };
  add(at::ones_like(manifold.active), "");
  add(manifold.active, "_active");
  findings.spread(name, squares.sqrt());
}

// Computes eigenvalues in ascending order, [R, d], in parallel: on a CPU LibTorch takes one matrix after the other.
Tensor eigenvalues(const Tensor& matrices) {
  constexpr int64_t kAtOnce = 512;
  if (!matrices.is_cpu()) return at::linalg_eigvalsh(matrices);
  const std::vector<Tensor> parts = matrices.detach().split(kAtOnce);
  std::vector<Tensor> found(parts.size());
  in_parallel(static_cast<int64_t>(parts.size()), [&](int64_t i) {
    const auto part = static_cast<std::size_t>(i);
    found[part] = at::linalg_eigvalsh(parts[part]);
  });
  return at::cat(found);
}

// G among the active latents, [R, a, a].
Tensor among_active(const Manifold& manifold) {
  const Tensor index = manifold.active.nonzero().squeeze(1);
  return manifold.metric.index_select(1, index).index_select(2, index);
}

}  // namespace

Tensor normalized(const Tensor& matrices) { return squared_cosines(matrices).sqrt(); }

Tensor off_diagonal_share(const Tensor& matrices) {
  const Tensor squares = squared_cosines(matrices), all = squares.sum({1, 2});
  return at::where(all > 0, (all - squares.diagonal(0, 1, 2).sum(1)) / all, 0.0);
}

Shares shares(const Tensor& matrices, const Tensor& kept, const std::vector<int64_t>& blocks) {
  return shares_of(squared_cosines(matrices), kept, blocks);
}

void FirstMatrices::add(const Tensor& metric, const Tensor& hessian) {
  constexpr int64_t kNumbers = int64_t{1} << 23, kRows = 256;
  const int64_t d = metric.size(1), most = std::max<int64_t>(1, kNumbers / (d * d * kRows)) * kRows;
  const int64_t more = std::min(metric.size(0), most - rows);
  if (more <= 0) return;
  rows += more;
  metrics.push_back(metric.narrow(0, 0, more).to(at::kCPU));
  if (hessian.defined()) hessians.push_back(hessian.narrow(0, 0, more).to(at::kCPU));
}

void add_local_geometry(Findings& findings, const Manifold& manifold) {
  findings.array("active", manifold.active);
  if (!manifold.blocks.empty()) findings.array("blocks", block_indices(manifold.blocks));
  add_shares(findings, "metric", manifold.metric, manifold);
  if (manifold.hessian.defined()) add_shares(findings, "hessian", manifold.hessian, manifold);

  const Tensor spectrum = eigenvalues(manifold.metric);
  const Tensor singular = spectrum.clamp_min(0).sqrt().flip(1);  // descending
  findings.spread("singular_values", singular);
  findings.rows("largest_singular_value", singular.select(1, 0));

  const int64_t active = manifold.active.sum().item<int64_t>();
  if (active == 0) {
    findings.undefined("log_volume", kNoneActive);
    return findings.undefined("condition_number", kNoneActive);
  }
  const bool all = active == manifold.metric.size(1);
  const Tensor own = all ? spectrum : eigenvalues(among_active(manifold));
  findings.rows("log_volume", 0.5 * own.log().sum(1));
  findings.geometric("condition_number", (own.select(1, active - 1) / own.select(1, 0)).log());
}

// ------------------------------------------------------------------------------------------------ interpolations

namespace {

struct Path {
  Tensor energy, length;  // [n] float64
  Tensor slope;           // the energy's gradient at the interior points, [T − 1, n, d] float64
};

// Measures paths z [T + 1, n, d].
Path measured(Model& model, const Tensor& z, const Context& context) {
  const Tensor g = model.decode(z, context).flatten(2).to(at::kDouble);  // [T + 1, n, P]
  const Tensor squares = (g.slice(0, 1) - g.slice(0, 0, g.size(0) - 1)).square().sum(2);
  return {squares.sum(0), squares.detach().sqrt().sum(0), {}};
}

// Inserts points at equal steps in each segment.
Tensor refined(const Tensor& z, int64_t times) {
  const Tensor start = z.slice(0, 0, z.size(0) - 1), step = z.slice(0, 1) - start;
  std::vector<Tensor> points;
  for (int64_t i = 0; i < times; ++i)
    points.push_back(start + static_cast<double>(i) / static_cast<double>(times) * step);
  const Tensor inner = at::stack(points, 1).flatten(0, 1);
  return at::cat({inner, z.slice(0, z.size(0) - 1)});
}

Path with_slope(Model& model, const Tensor& z, const Context& context) {
  const at::AutoGradMode on(true);
  const Tensor path = z.detach().requires_grad_(true);
  const Path found = measured(model, path, context);
  const Tensor gradient = torch::autograd::grad({found.energy.sum()}, {path})[0];
  return {found.energy.detach(), found.length, gradient.slice(0, 1, z.size(0) - 1).to(at::kDouble)};
}

// Inverses of the two factors of the energy's Hessian 2 L ⊗ G where G is the same everywhere.
struct Preconditioner {
  Tensor along, across;  // [T − 1, T − 1], [d, d]

  Preconditioner(int64_t interior, const Tensor& metric) {
    const auto options = metric.options();
    const Tensor off = at::diag(at::ones({interior - 1}, options), 1);
    along = at::linalg_inv(2 * at::eye(interior, options) - off - off.t());
    const int64_t d = metric.size(0);
    const Tensor ridge = (1e-3 * metric.trace() / static_cast<double>(d)).clamp_min(1e-12);
    across = at::linalg_inv(metric + ridge * at::eye(d, options));
  }
  Tensor operator()(const Tensor& gradient) const {
    return 0.5 * at::einsum("st,tnd,de->sne", {along, gradient, across});
  }
};

}  // namespace

PathLengths path_lengths(Model& model, const Tensor& from, const Tensor& to, const Tensor& metric,
                         const PathOptions& options) {
  const int64_t n = from.size(0), segments = options.segments;
  const Tensor time = at::linspace(0, 1, segments + 1, from.options()).reshape({-1, 1, 1});
  const Tensor straight = from + time * (to - from);
  const Tensor typical = metric.to(from.device(), at::kDouble);
  const Preconditioner preconditioner(segments - 1, typical);
  Tensor path = straight, step = at::ones({n, 1}, typical.options());
  Path here = with_slope(model, path, options.context);
  for (int64_t i = 0; i < options.iterations; ++i) {
    if (options.progress) options.progress(i, options.iterations);
    const Tensor move = (step * preconditioner(here.slope)).to(path.scalar_type());
    const Tensor trial =
        at::cat({path.slice(0, 0, 1), path.slice(0, 1, segments) - move, path.slice(0, segments)});
    const Path there = with_slope(model, trial, options.context);
    const Tensor better = there.energy < here.energy, each = better.reshape({1, n, 1});
    path = at::where(each, trial, path);
    here.energy = at::where(better, there.energy, here.energy);
    here.slope = at::where(each, there.slope, here.slope);
    step = at::where(better.unsqueeze(1), (2 * step).clamp_max(1), 0.5 * step);
  }
  const auto length = [&](const Tensor& z) {
    return measured(model, refined(z, options.refinement), options.context).length;
  };
  const Tensor line = length(straight);
  return {line, at::minimum(length(path), line)};
}

// ------------------------------------------------------------------------------------------------ the metric

namespace {

// Quantities of one matrix, G or H.
void add_quantities(std::vector<Quantity>& all, const std::string& name, const std::string& symbol) {
  for (const auto& [suffix, whose] : {std::pair("", ""), std::pair("_active", ", among active latents")}) {
    const std::string of = symbol + ", normalized" + whose;
    all.push_back(
        {name + "_off_diagonal" + suffix, "", "off-diagonal share of the squares of " + of + " (§8)"});
    all.push_back(
        {name + "_within_blocks" + suffix, "", "the part of that inside blocks" + std::string(whose)});
    all.push_back(
        {name + "_across_blocks" + suffix, "", "the part of that between blocks" + std::string(whose)});
  }
}

class Geometry final : public With<Metric, Finishes> {
 public:
  explicit Geometry(const Build& build) : pairs_(build.integer("pairs")) {}

  std::vector<Quantity> quantities() const override {
    std::vector<Quantity> all{
        {"data", "rows", "data at whose codes J, the decoder's Jacobian, was taken"},
        {"largest_singular_value", "", "of J: how fast the decoder's output moves at most, per unit of z"},
        {"log_volume", "nats",
         "½ log det G among active latents: log-volume of the image of their unit cube"},
        {"condition_number", "",
         "largest over smallest eigenvalue of G among active latents, geometric mean"},
        {"straight_length", "units of the output", "of decoded straight lines between two codes"},
        {"geodesic_length", "units of the output", "of the shortest paths that were found between them"},
        {"geodesic_ratio", "", "geodesic over straight length: 1 where straight lines are shortest"}};
    add_quantities(all, "metric", "G = JᵀJ");
    add_quantities(all, "hessian", "H = JᵀH_ℓJ");
    return all;
  }

  void measure(Measured& at, Findings& /*findings*/) override {
    codes_.push_back(at.codes());
    if (at.batch().context.condition.defined()) conditions_.push_back(at.batch().context.condition);
    blocks_ = at.blocks();
    const Tensor metric = at.pullback_metric();
    Tensor hessian;
    try {
      hessian = at.hessian();
      add_contrast(at);
    } catch (const Unsupported& lacks) {
      no_hessian_ = lacks.what();
    }
    first_.add(metric, hessian);
  }

  void finish(Measured& at, Findings& findings) override {
    const Tensor codes = at::cat(codes_);
    const Manifold manifold{at::cat(first_.metrics),
                            first_.hessians.empty() ? Tensor() : at::cat(first_.hessians),
                            active_latents(codes), blocks_};
    const int64_t bad =
        manifold.metric.size(0) - manifold.metric.isfinite().flatten(1).all(1).sum().item<int64_t>();
    if (bad > 0)
      throw Unsupported("the decoder's Jacobian is not finite for " + std::to_string(bad) + " data");
    findings.number("data", static_cast<double>(manifold.metric.size(0)));
    add_local_geometry(findings, manifold);
    if (!manifold.hessian.defined()) undefined_hessian(findings);
    if (!contrasts_.empty())
      findings.spread("contrast", at::cat(contrasts_));  // its mean is one of the values
    add_interpolations(at, findings, codes, manifold.metric.mean(0));
  }

 private:
  // Keeps what independent coordinates cost beyond correlated ones (§8).
  void add_contrast(Measured& at) {
    const std::optional<double> beta = at.beta();
    if (!beta || *beta <= 0 || !common_gaussian(at.model().prior())) return;
    const int64_t d = at.model().latent;
    contrasts_.push_back(
        (at.curvature_penalty(Structure::diagonal(d)) - at.curvature_penalty(Structure::full(d))) / *beta);
  }

  void undefined_hessian(Findings& findings) const {
    for (const Quantity& quantity : quantities())
      if (quantity.name.starts_with("hessian_")) findings.undefined(quantity.name, no_hessian_);
  }

  // Measures paths between pairs of codes that are drawn.
  void add_interpolations(Measured& at, Findings& findings, const Tensor& codes, const Tensor& metric) const {
    const int64_t pairs = std::min<int64_t>(pairs_, codes.size(0) / 2);
    if (pairs == 0) {
      for (const char* each : {"straight_length", "geodesic_length", "geodesic_ratio"})
        findings.undefined(each, "there is no pair of rows");
      return;
    }
    const Tensor order = at::rand({codes.size(0)}, at.random("pairs"), at.model().options).argsort();
    const Tensor ends =
        codes.index_select(0, order.slice(0, 0, 2 * pairs)).reshape({pairs, 2, codes.size(1)});
    PathOptions options;
    options.progress = [&](int64_t done, int64_t all) { at.progress(done, all); };
    if (!conditions_.empty())  // of the first code: shortest paths are those of one condition
      options.context.condition = at::cat(conditions_).index_select(0, order.slice(0, 0, 2 * pairs, 2));
    const PathLengths lengths =
        path_lengths(at.model(), ends.select(1, 0), ends.select(1, 1), metric, options);
    findings.rows("straight_length", lengths.straight);
    findings.detail("straight_length", "; " + std::to_string(pairs) + " pairs, " +
                                           std::to_string(options.segments * options.refinement) +
                                           " segments");
    findings.rows("geodesic_length", lengths.geodesic);
    findings.detail("geodesic_length", ": least energy on " + std::to_string(options.segments) +
                                           " segments, " + std::to_string(options.iterations) + " steps");
    findings.rows("geodesic_ratio", lengths.geodesic / lengths.straight);
  }

  const int64_t pairs_;
  std::vector<Tensor> conditions_, codes_, contrasts_;
  FirstMatrices first_;
  std::vector<int64_t> blocks_;
  std::string no_hessian_;
};

}  // namespace

}  // namespace variform::metrics

VARIFORM_COMPONENTS(variform::component<variform::metrics::Geometry>(
    "geometry",
    "The local geometry of the learned manifold: off-diagonal shares, singular values, geodesics.",
    "theory §8",
    {variform::integer("pairs", 16)
         .at_least(0)
         .in("pairs of rows")
         .doc("Pairs of codes between which paths are measured.")}))
