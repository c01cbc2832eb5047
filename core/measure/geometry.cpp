// See geometry.h.

#include "measure/geometry.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "measure/parallel.h"

namespace variform::measure {
namespace {

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

void add_shares(Section& section, const std::string& name, const std::string& symbol, const Tensor& matrices,
                const Manifold& manifold) {
  const Tensor squares = squared_cosines(matrices);
  const auto add = [&](const Tensor& kept, const std::string& suffix, const std::string& whose) {
    if (!kept.any().item<bool>()) {  // there is nothing to take a share of
      section.undefined(name + "_off_diagonal" + suffix, "not defined: no latent is active.",
                        "off-diagonal share of the squares of " + symbol + ", normalized" + whose + " (§8)");
      return;
    }
    const Shares found = shares_of(squares, kept, manifold.blocks);
    const std::string of = " of the squares of " + symbol + ", normalized" + whose;
    section.values(name + "_off_diagonal" + suffix, found.off_diagonal, "off-diagonal share" + of + " (§8)");
    if (manifold.blocks.empty()) return;
    section.values(name + "_within_blocks" + suffix, found.within, "the part of that inside blocks" + whose);
    section.values(name + "_across_blocks" + suffix, found.across, "the part of that between blocks" + whose);
  };
  add(at::ones_like(manifold.active), "", "");
  add(manifold.active, "_active", ", among active latents");
  section.spread(name, squares.sqrt());
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

Shares shares(const Tensor& matrices, const Tensor& kept, const std::vector<int64_t>& blocks) {
  return shares_of(squared_cosines(matrices), kept, blocks);
}

void add_local_geometry(Section& section, const Manifold& manifold) {
  section.array("active", manifold.active);
  if (!manifold.blocks.empty()) section.array("blocks", block_indices(manifold.blocks));
  add_shares(section, "metric", "G = JᵀJ", manifold.metric, manifold);
  if (manifold.hessian.defined()) add_shares(section, "hessian", "H = JᵀH_ℓJ", manifold.hessian, manifold);

  const Tensor spectrum = eigenvalues(manifold.metric);
  const Tensor singular = spectrum.clamp_min(0).sqrt().flip(1);  // descending
  section.spread("singular_values", singular);
  section.values("largest_singular_value", singular.select(1, 0),
                 "of J: how fast the decoder's output moves at most, per unit of z");

  const char* volume = "½ log det G among active latents, nats: log-volume of the image of their unit cube";
  const char* condition = "largest over smallest eigenvalue of G among active latents, geometric mean";
  const int64_t active = manifold.active.sum().item<int64_t>();
  if (active == 0) {
    section.undefined("log_volume", "not defined: no latent is active.", volume);
    return section.undefined("condition_number", "not defined: no latent is active.", condition);
  }
  const bool all = active == manifold.metric.size(1);
  const Tensor own = all ? spectrum : eigenvalues(among_active(manifold));
  section.values("log_volume", 0.5 * own.log().sum(1), volume);
  const Tensor ratio = (own.select(1, active - 1) / own.select(1, 0)).log();
  section.geometric("condition_number", ratio, condition);
}

// ------------------------------------------------------------------------------------------------ interpolations

namespace {

struct Path {
  Tensor energy, length;  // [n] float64
  Tensor slope;           // the energy's gradient at the interior points, [T − 1, n, d] float64
};

// Measures paths z [T + 1, n, d].
Path measured(Model& model, const Tensor& z) {
  const Tensor g = model.decode(z).flatten(2).to(at::kDouble);  // [T + 1, n, P]
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

Path with_slope(Model& model, const Tensor& z) {
  const at::AutoGradMode on(true);
  const Tensor path = z.detach().requires_grad_(true);
  const Path found = measured(model, path);
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
  Path here = with_slope(model, path);
  for (int64_t i = 0; i < options.iterations; ++i) {
    base::tell(options.watch, "geometry", i, options.iterations);
    const Tensor move = (step * preconditioner(here.slope)).to(path.scalar_type());
    const Tensor trial =
        at::cat({path.slice(0, 0, 1), path.slice(0, 1, segments) - move, path.slice(0, segments)});
    const Path there = with_slope(model, trial);
    const Tensor better = there.energy < here.energy, each = better.reshape({1, n, 1});
    path = at::where(each, trial, path);
    here.energy = at::where(better, there.energy, here.energy);
    here.slope = at::where(each, there.slope, here.slope);
    step = at::where(better.unsqueeze(1), (2 * step).clamp_max(1), 0.5 * step);
  }
  const auto length = [&](const Tensor& z) { return measured(model, refined(z, options.refinement)).length; };
  const Tensor line = length(straight);
  return {line, at::minimum(length(path), line)};
}

void add_interpolations(Section& section, Model& model, const Tensor& codes, const Tensor& metric,
                        const base::Watch& watch) {
  const PathOptions options{.watch = watch};
  const int64_t pairs = codes.size(0) / 2;
  const Tensor ends = codes.reshape({pairs, 2, codes.size(1)});
  const PathLengths lengths = path_lengths(model, ends.select(1, 0), ends.select(1, 1), metric, options);
  section.values("straight_length", lengths.straight,
                 "of decoded straight lines between two codes, in output units; " + std::to_string(pairs) +
                     " pairs, " + std::to_string(options.segments * options.refinement) + " segments");
  section.values("geodesic_length", lengths.geodesic,
                 "of the shortest paths found: least energy on " + std::to_string(options.segments) +
                     " segments, " + std::to_string(options.iterations) + " steps");
  section.values("geodesic_ratio", lengths.geodesic / lengths.straight,
                 "geodesic over straight length: 1 where straight lines are shortest");
}

}  // namespace variform::measure
