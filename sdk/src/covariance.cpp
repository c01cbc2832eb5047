// Covariance in its three representations, and §4 of the theory. Every function computes in float64, is differentiable
// and batched, and makes no decisions on the host, since a training step may be a CUDA graph: a matrix that is not
// positive definite gives NaN, never an exception. The low-rank row is an exception: LibTorch checks its eigenvalues on
// the host.

#include <variform/covariance.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

namespace variform {
inline namespace v2 {

Structure Structure::diagonal(int64_t d) { return {std::vector<int64_t>(static_cast<size_t>(d), 1)}; }
Structure Structure::full(int64_t d) { return {{d}}; }
Structure Structure::isotropic(int64_t d) { return {{d}, true}; }
Structure Structure::low_rank(int64_t d, int64_t rank) { return {{d}, false, rank}; }

Structure Structure::equal_blocks(int64_t d, int64_t size) {
  if (size < 1)
    throw Error("a covariance block must have a size of at least 1; found " + std::to_string(size));
  Structure structure;
  for (int64_t left = d; left > 0; left -= size) structure.blocks.push_back(std::min(left, size));
  return structure;
}

Structure Structure::named(const std::string& name, int64_t d, int64_t block, int64_t rank) {
  if (name == "full") return full(d);
  if (name == "diagonal") return diagonal(d);
  if (name == "isotropic") return isotropic(d);
  if (name == "block") {
    if (block < 1 || block > d)
      throw Error("structure 'block' needs a block size from 1 to the latent dimension " + std::to_string(d) +
                  "; found " + std::to_string(block) + "; set 'block'");
    return equal_blocks(d, block);
  }
  if (name == "low-rank") return low_rank(d, rank);
  throw Error("expected a structure full, diagonal, block, low-rank or isotropic; found '" + name + "'");
}

int64_t Structure::dimension() const { return std::accumulate(blocks.begin(), blocks.end(), int64_t{0}); }

namespace {
bool all_ones(const std::vector<int64_t>& blocks) {
  return std::all_of(blocks.begin(), blocks.end(), [](int64_t b) { return b == 1; });
}
}  // namespace

std::string Structure::name() const {
  if (rank >= 0) return "rank " + std::to_string(rank) + " plus s²I";
  if (tied) return "isotropic";
  if (all_ones(blocks)) return "diagonal";
  return blocks.size() == 1 ? "full" : "blocks " + to_text(blocks);
}

void Structure::validate(int64_t d) const {
  if (blocks.empty() || *std::min_element(blocks.begin(), blocks.end()) < 1 || dimension() != d)
    throw Error("the blocks of a covariance must be positive and add up to the latent dimension " +
                std::to_string(d) + "; found " + to_text(blocks));
  if (rank >= d)
    throw Error("a low-rank covariance needs a rank below the latent dimension " + std::to_string(d) +
                "; found " + std::to_string(rank));
  if (rank >= 0 && (tied || blocks.size() != 1))
    throw Error("a low-rank covariance has one block of size d and is not tied");
}

// ---------------------------------------------------------------------------------------------- representations

class Covariance::Impl {
 public:
  virtual ~Impl() = default;
  virtual Tensor variances() const = 0;
  virtual Tensor log_det() const = 0;
  virtual Tensor trace(const Tensor& h) const = 0;
  virtual Tensor dense() const = 0;
  virtual Tensor precision() const = 0;
  virtual Tensor scale(const Tensor& e) const = 0;
  virtual Tensor whiten(const Tensor& y) const = 0;
  virtual int64_t dimension() const = 0;
  virtual at::ScalarType dtype() const = 0;
  virtual Structure structure() const = 0;
  virtual std::shared_ptr<const Impl> to(at::ScalarType dtype) const = 0;
};

namespace {

// Arranges y [..., B, d] as columns for a batch of matrices [A, d, d]: [A, d, columns]. A = 1: every y is a column for
// the one matrix; else there is one matrix per row, and y's B may be 1.
class Columns {
 public:
  Columns(const Tensor& y, int64_t matrices) : matrices_(matrices) {
    shape_ = y.sizes().vec();
    const int64_t d = shape_.back();
    if (matrices == 1) {
      folded_ = y.reshape({1, y.numel() / d, d}).transpose(1, 2);
    } else {
      if (shape_.size() == 1) shape_.insert(shape_.begin(), 1);
      shape_[shape_.size() - 2] = matrices;
      const int64_t leading =
          std::accumulate(shape_.begin(), shape_.end() - 2, int64_t{1}, std::multiplies<>());
      folded_ = y.expand(shape_).reshape({leading, matrices, d}).permute({1, 2, 0});
    }
  }
  const Tensor& folded() const { return folded_; }
  Tensor restore(const Tensor& folded) const {
    return (matrices_ == 1 ? folded.transpose(1, 2) : folded.permute({2, 0, 1})).reshape(shape_);
  }

 private:
  int64_t matrices_;
  Shape shape_;
  Tensor folded_;
};

class Diagonal final : public Covariance::Impl {
 public:
  explicit Diagonal(Tensor deviations, bool tied = false) : deviations_(std::move(deviations)), tied_(tied) {}
  // at::square would take four times the work in the backward pass.
  Tensor variances() const override { return deviations_ * deviations_; }
  Tensor log_det() const override { return 2 * deviations_.log().sum(-1); }
  Tensor trace(const Tensor& h) const override { return (h.diagonal(0, -2, -1) * variances()).sum(-1); }
  Tensor dense() const override { return variances().diag_embed(); }
  Tensor precision() const override { return variances().reciprocal().diag_embed(); }
  Tensor scale(const Tensor& e) const override { return deviations_ * e; }
  Tensor whiten(const Tensor& y) const override { return y / deviations_; }
  int64_t dimension() const override { return deviations_.size(-1); }
  at::ScalarType dtype() const override { return deviations_.scalar_type(); }
  Structure structure() const override {
    return tied_ ? Structure::isotropic(dimension()) : Structure::diagonal(dimension());
  }
  std::shared_ptr<const Impl> to(at::ScalarType dtype) const override {
    return std::make_shared<Diagonal>(deviations_.to(dtype), tied_);
  }

 private:
  Tensor deviations_;  // [B, d]
  bool tied_;
};

class Cholesky final : public Covariance::Impl {
 public:
  explicit Cholesky(std::vector<Tensor> factors, std::optional<Structure> structure = {})
      : factors_(std::move(factors)) {
    for (const Tensor& factor : factors_) sizes_.push_back(factor.size(-1));
    structure_ = structure.value_or(Structure{sizes_});
  }
  Cholesky(const Cholesky& other, Structure structure)
      : factors_(other.factors_), sizes_(other.sizes_), structure_(std::move(structure)) {}
  Tensor variances() const override {
    return over([](const Tensor& l) { return l.square().sum(-1); });
  }
  Tensor log_det() const override {
    return over([](const Tensor& l) { return 2 * l.diagonal(0, -2, -1).log(); }).sum(-1);
  }
  Tensor trace(const Tensor& h) const override {
    Tensor sum;
    int64_t start = 0;
    for (const Tensor& l : factors_) {  // tr(h L Lᵀ) = Σ (hL) ⊙ L
      const int64_t size = l.size(-1);
      const Tensor part = (h.narrow(-2, start, size).narrow(-1, start, size).matmul(l) * l).sum({-2, -1});
      sum = sum.defined() ? sum + part : part;
      start += size;
    }
    return sum;
  }
  Tensor dense() const override {
    return embedded([](const Tensor& l) { return l.matmul(l.transpose(-2, -1)); });
  }
  Tensor precision() const override {
    return embedded([](const Tensor& l) {
      const Tensor inverse =
          at::linalg_solve_triangular(l, at::eye(l.size(-1), l.options()), /*upper=*/false);
      return inverse.transpose(-2, -1).matmul(inverse);
    });
  }
  Tensor scale(const Tensor& e) const override {
    return blockwise(e, [](const Tensor& l, const Tensor& columns) { return l.matmul(columns); });
  }
  Tensor whiten(const Tensor& y) const override {
    return blockwise(y, [](const Tensor& l, const Tensor& columns) {
      return at::linalg_solve_triangular(l, columns, /*upper=*/false);
    });
  }
  int64_t dimension() const override { return std::accumulate(sizes_.begin(), sizes_.end(), int64_t{0}); }
  at::ScalarType dtype() const override { return factors_[0].scalar_type(); }
  Structure structure() const override { return structure_; }
  std::shared_ptr<const Impl> to(at::ScalarType dtype) const override {
    std::vector<Tensor> cast;
    for (const Tensor& factor : factors_) cast.push_back(factor.to(dtype));
    return std::make_shared<Cholesky>(std::move(cast), structure_);
  }

 private:
  template <class F>
  Tensor over(const F& f) const {  // one vector [B, b] per block, side by side
    std::vector<Tensor> parts;
    for (const Tensor& l : factors_) parts.push_back(f(l));
    return parts.size() == 1 ? parts[0] : at::cat(parts, -1);
  }
  template <class F>
  Tensor embedded(const F& f) const {  // one matrix [B, b, b] per block, along the diagonal
    if (factors_.size() == 1) return f(factors_[0]);
    const int64_t d = dimension();
    std::vector<Tensor> rows;
    int64_t start = 0;
    for (const Tensor& l : factors_) {
      rows.push_back(at::constant_pad_nd(f(l), {start, d - start - l.size(-1)}));
      start += l.size(-1);
    }
    return at::cat(rows, -2);
  }
  template <class F>
  Tensor blockwise(const Tensor& y, const F& f) const {
    const std::vector<Tensor> slices = y.split_with_sizes(sizes_, -1);
    std::vector<Tensor> parts;
    for (size_t i = 0; i < factors_.size(); ++i) {
      const Columns columns(slices[i], factors_[i].size(0));
      parts.push_back(columns.restore(f(factors_[i], columns.folded())));
    }
    return parts.size() == 1 ? parts[0] : at::cat(parts, -1);
  }

  std::vector<Tensor> factors_;  // [B, b_k, b_k]
  Shape sizes_;
  Structure structure_;
};

// Σ = U diag(v) Uᵀ + s²(I − UUᵀ), with the symmetric root.
class LowRank final : public Covariance::Impl {
 public:
  LowRank(Tensor u, Tensor variances, Tensor s2)
      : u_(std::move(u)), v_(std::move(variances)), s2_(std::move(s2)) {}
  Tensor variances() const override {
    return s2_.unsqueeze(-1) + (u_.square() * (v_ - s2_.unsqueeze(-1)).unsqueeze(-2)).sum(-1);
  }
  Tensor log_det() const override { return v_.log().sum(-1) + (dimension() - v_.size(-1)) * s2_.log(); }
  Tensor trace(const Tensor& h) const override {
    const Tensor quadratic = (h.matmul(u_) * u_).sum(-2);  // u_iᵀ h u_i
    return s2_ * h.diagonal(0, -2, -1).sum(-1) + ((v_ - s2_.unsqueeze(-1)) * quadratic).sum(-1);
  }
  Tensor dense() const override { return power(v_, s2_); }
  Tensor precision() const override { return power(v_.reciprocal(), s2_.reciprocal()); }
  Tensor scale(const Tensor& e) const override { return apply(v_.sqrt(), s2_.sqrt(), e); }
  Tensor whiten(const Tensor& y) const override { return apply(v_.rsqrt(), s2_.rsqrt(), y); }
  int64_t dimension() const override { return u_.size(-2); }
  at::ScalarType dtype() const override { return u_.scalar_type(); }
  Structure structure() const override {
    return u_.size(-1) < dimension() ? Structure::low_rank(dimension(), u_.size(-1))
                                     : Structure::full(dimension());
  }
  std::shared_ptr<const Impl> to(at::ScalarType dtype) const override {
    return std::make_shared<LowRank>(u_.to(dtype), v_.to(dtype), s2_.to(dtype));
  }

 private:
  // U diag(along) Uᵀ + rest (I − UUᵀ)
  Tensor power(const Tensor& along, const Tensor& rest) const {
    const Tensor low = (u_ * (along - rest.unsqueeze(-1)).unsqueeze(-2)).matmul(u_.transpose(-2, -1));
    return low + rest.unsqueeze(-1).unsqueeze(-1) * at::eye(dimension(), u_.options());
  }
  Tensor apply(const Tensor& along, const Tensor& rest, const Tensor& y) const {
    const Columns columns(y, u_.size(0));
    const Tensor inner =
        (along - rest.unsqueeze(-1)).unsqueeze(-1) * u_.transpose(-2, -1).matmul(columns.folded());
    return columns.restore(rest.unsqueeze(-1).unsqueeze(-1) * columns.folded() + u_.matmul(inner));
  }

  Tensor u_, v_, s2_;  // [B, d, r], [B, r], [B]
};

}  // namespace

Covariance Covariance::diagonal(const Tensor& deviations) {
  if (deviations.dim() != 2)
    throw Error("a diagonal covariance expects deviations [B, d]; found " + to_text(deviations.sizes()));
  return Covariance(std::make_shared<Diagonal>(deviations));
}

Covariance Covariance::isotropic(const Tensor& deviation, int64_t d) {
  if (deviation.dim() != 1)
    throw Error("an isotropic covariance expects one deviation per row, [B]; found " +
                to_text(deviation.sizes()));
  return Covariance(std::make_shared<Diagonal>(deviation.unsqueeze(1).expand({deviation.size(0), d}), true));
}

Covariance Covariance::cholesky(std::vector<Tensor> factors) {
  if (factors.empty()) throw Error("a covariance needs at least one block");
  for (const Tensor& factor : factors)
    if (factor.dim() != 3 || factor.size(1) != factor.size(2) || factor.size(0) != factors[0].size(0))
      throw Error(
          "a covariance block expects a lower-triangular factor [B, b, b] with the same B for all blocks; "
          "found " +
          to_text(factor.sizes()));
  return Covariance(std::make_shared<Cholesky>(std::move(factors)));
}

Covariance Covariance::cholesky(std::vector<Tensor> factors, Structure structure) {
  Covariance covariance = cholesky(std::move(factors));
  structure.validate(covariance.dimension());
  const auto& plain = static_cast<const Cholesky&>(*covariance.impl_);
  return Covariance(std::make_shared<Cholesky>(plain, std::move(structure)));
}

Covariance Covariance::low_rank(const Tensor& u, const Tensor& variances, const Tensor& s2) {
  if (u.dim() != 3 || variances.dim() != 2 || s2.dim() != 1 || variances.size(1) != u.size(2))
    throw Error("a low-rank covariance expects U [B, d, r], variances [B, r] and s² [B]; found " +
                to_text(u.sizes()) + ", " + to_text(variances.sizes()) + " and " + to_text(s2.sizes()));
  return Covariance(std::make_shared<LowRank>(u, variances, s2));
}

Tensor Covariance::variances() const { return impl_->variances(); }
Tensor Covariance::log_det() const { return impl_->log_det(); }
Tensor Covariance::trace(const Tensor& h) const { return impl_->trace(h); }
Tensor Covariance::dense() const { return impl_->dense(); }
Tensor Covariance::precision() const { return impl_->precision(); }
Tensor Covariance::scale(const Tensor& e) const { return impl_->scale(e); }
Tensor Covariance::whiten(const Tensor& y) const { return impl_->whiten(y); }
int64_t Covariance::dimension() const { return impl_->dimension(); }
at::ScalarType Covariance::dtype() const { return impl_->dtype(); }
Structure Covariance::structure() const { return impl_->structure(); }
bool Covariance::is_diagonal() const {
  const Structure structure = impl_->structure();
  return structure.tied || (structure.rank < 0 && all_ones(structure.blocks));
}
Covariance Covariance::to(at::ScalarType dtype) const { return Covariance(impl_->to(dtype)); }

// ------------------------------------------------------------------------------------------------------------ §4

namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Checks shapes; returns H in float64, symmetric.
Tensor symmetric_float64(const Structure& structure, const Tensor& h) {
  if (h.dim() != 3 || h.size(1) != h.size(2))
    throw Error("a latent Hessian has the shape [B, d, d]; found " + to_text(h.sizes()));
  structure.validate(h.size(1));
  const Tensor wide = h.to(at::kDouble);
  return 0.5 * (wide + wide.transpose(1, 2));
}

Tensor beta_column(const Tensor& beta, const Tensor& h) {  // [B or 1]
  if (beta.dim() > 1 || (beta.dim() == 1 && beta.size(0) != h.size(0)))
    throw Error("β must be a number or one number per row; found shape " + to_text(beta.sizes()));
  return beta.to(h.device(), at::kDouble).reshape({-1});
}

Tensor checked_precision(const Tensor& precision, const Tensor& h) {
  const int64_t d = h.size(1);
  const Shape square = {d, d}, diagonal = {d};
  if (precision.sizes() != at::IntArrayRef(square) && precision.sizes() != at::IntArrayRef(diagonal))
    throw Error("a prior precision has the shape " + to_text(square) + ", or of its diagonal " +
                to_text(diagonal) + "; found " + to_text(precision.sizes()));
  const Tensor q = precision.to(h.device(), at::kDouble);
  return q.dim() == 1 ? q : 0.5 * (q + q.t());
}

Tensor whole(const Tensor& q) { return q.dim() == 1 ? q.diag_embed() : q; }

// Neighbouring blocks of the same size, handled as one batch.
struct Run {
  int64_t start, size, count;
};
std::vector<Run> runs(const Structure& structure) {
  std::vector<Run> result;
  int64_t start = 0;
  for (int64_t size : structure.blocks) {
    if (!result.empty() && result.back().size == size) ++result.back().count;
    else result.push_back({start, size, 1});
    start += size;
  }
  return result;
}

// Returns the diagonal blocks of a run: m [..., d, d] -> [..., count, size, size].
Tensor blocks_of(const Tensor& m, const Run& run) {
  const int64_t width = run.count * run.size;
  const Tensor part = m.narrow(-2, run.start, width).narrow(-1, run.start, width);
  Shape shape = m.sizes().slice(0, static_cast<size_t>(m.dim()) - 2).vec();
  shape.insert(shape.end(), {run.count, run.size, run.count, run.size});
  return part.reshape(shape).diagonal(0, -4, -2).movedim(-1, -3);
}

// Returns the lower Cholesky factor, NaN where the matrix is not positive definite.
Tensor lower_factor(const Tensor& a) {
  const auto [factor, info] = at::linalg_cholesky_ex(a);
  return at::where((info == 0).unsqueeze(-1).unsqueeze(-1), factor, kNaN);
}

Tensor log_diagonal(const Tensor& factor) { return factor.diagonal(0, -2, -1).log(); }

// log(1 + x), NaN for x ≤ −1 (log1p would say −∞ at −1).
Tensor log_one_plus(const Tensor& x) { return at::where(x > -1, x, kNaN).log1p(); }

// log det(I + m), m [..., n, n] symmetric. The i-th pivot of I + m is 1 + s_i with s_i = m_ii − Σ_{k<i} L_ik², whose
// log1p loses no digits when m is small (large β); log L_ii² would have an absolute error of 1e-16, which β multiplies.
// The gradient is (I + m)⁻¹, so that nothing is differentiated through the factor.
class LogDetOnePlus final : public torch::autograd::Function<LogDetOnePlus> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& m) {
    const Tensor factor = lower_factor(m + at::eye(m.size(-1), m.options()));
    context->save_for_backward({m, factor});
    const Tensor pivot = m.diagonal(0, -2, -1) - factor.tril(-1).square().sum(-1);
    return at::where(pivot < 1, pivot.log1p(), 2 * log_diagonal(factor)).sum(-1);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const Tensor &m = saved[0], eye = at::eye(m.size(-1), m.options());
    // A second derivative needs a recorded factor: the one that was kept has no gradient.
    const Tensor factor = at::GradMode::is_enabled() ? lower_factor(m + eye) : saved[1];
    const Tensor root = at::linalg_solve_triangular(factor, eye, /*upper=*/false);
    return {gradients[0].unsqueeze(-1).unsqueeze(-1) * root.transpose(-2, -1).matmul(root)};
  }
};

Tensor log_det_one_plus(const Tensor& m) { return LogDetOnePlus::apply(m); }

// Returns, for low rank, Σ log of the r smallest + (d − r) log of the mean of the rest. The mean is trace minus sum, so
// that only small numbers are subtracted, and the gradient needs no eigenvectors of the rest.
template <class Log>
Tensor low_rank_log_det(const Tensor& a, int64_t rank, const Log& log) {
  const int64_t rest = a.size(-1) - rank;
  const Tensor trace = a.diagonal(0, -2, -1).sum(-1);
  if (rank == 0) return rest * log(trace / rest);
  const Tensor smallest = at::linalg_eigvalsh(a).narrow(-1, 0, rank);  // ascending
  return log(smallest).sum(-1) + rest * log((trace - smallest.sum(-1)) / rest);
}

// Returns log det A within the structure for A = I + m, m = H/β: the factor of β/2 in §4's third column.
Tensor left_over(const Structure& structure, const Tensor& m) {
  const Tensor diagonal = m.diagonal(0, 1, 2);
  if (structure.rank >= 0) return low_rank_log_det(m, structure.rank, log_one_plus);
  if (structure.tied) return m.size(1) * log_one_plus(diagonal.mean(-1));
  if (all_ones(structure.blocks)) return log_one_plus(diagonal).sum(-1);
  Tensor sum;
  for (const Run& run : runs(structure)) {
    const Tensor part = log_det_one_plus(blocks_of(m, run)).sum(-1);
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

// The same for A = Q + m, less log det Q. Within the structure: log det A_S = log det Q_S + log det(I + Q_S⁻¹ m_S).
// A diagonal Q [d] is the identity in scaled coordinates, which only some structures allow.
Tensor left_over(const Structure& structure, const Tensor& m, const Tensor& q) {
  if (q.dim() == 1) {
    if (structure.tied || structure.rank >= 0) return left_over(structure, m, whole(q));
    const Tensor scale = q.rsqrt();
    return left_over(structure, m * (scale.unsqueeze(1) * scale));
  }
  const int64_t d = m.size(1);
  const Tensor log_det_q = 2 * log_diagonal(lower_factor(q)).sum();
  const Tensor diagonal = m.diagonal(0, 1, 2), q_diagonal = q.diagonal();
  if (structure.rank >= 0)
    return low_rank_log_det(q + m, structure.rank,
                            [](const Tensor& a) { return at::where(a > 0, a, kNaN).log(); }) -
           log_det_q;
  if (structure.tied) {
    const Tensor trace = q_diagonal.sum();
    return d * (trace / d).log() - log_det_q + d * log_one_plus(diagonal.sum(-1) / trace);
  }
  if (all_ones(structure.blocks))
    return q_diagonal.log().sum() - log_det_q + log_one_plus(diagonal / q_diagonal).sum(-1);
  Tensor sum = -log_det_q;
  for (const Run& run : runs(structure)) {
    const Tensor c = lower_factor(blocks_of(q, run));  // [count, size, size]
    const Tensor half = at::linalg_solve_triangular(c, blocks_of(m, run), /*upper=*/false);
    const Tensor both = at::linalg_solve_triangular(c, half.transpose(-2, -1), /*upper=*/false);
    sum = sum + 2 * log_diagonal(c).sum() + log_det_one_plus(both).sum(-1);
  }
  return sum;
}

// Returns lower-triangular factors of the inverses of a [..., n, n]: with the rows and columns of a in reverse order,
// a = U Uᵀ, U upper triangular, and a⁻¹ = (U⁻ᵀ)(U⁻ᵀ)ᵀ.
Tensor inverse_factor(const Tensor& a) {
  const Tensor upper = lower_factor(a.flip({-2, -1})).flip({-2, -1});
  const Tensor eye = at::eye(a.size(-1), a.options());
  return at::linalg_solve_triangular(upper, eye, /*upper=*/true).transpose(-2, -1);
}

}  // namespace

Covariance optimal_covariance(const Structure& structure, const Tensor& h, const Tensor& beta,
                              const Tensor& precision) {
  const Tensor wide = symmetric_float64(structure, h);
  const int64_t d = wide.size(1);
  const Tensor q =
      precision.defined() ? whole(checked_precision(precision, wide)) : at::eye(d, wide.options());
  const Tensor a = q + wide / beta_column(beta, wide).unsqueeze(-1).unsqueeze(-1);  // [B, d, d]
  const Tensor diagonal = a.diagonal(0, 1, 2);
  if (structure.rank >= 0) {
    const auto [values, vectors] = at::linalg_eigh(a);
    const Tensor smallest = values.narrow(1, 0, structure.rank);
    const Tensor mean = (diagonal.sum(-1) - smallest.sum(-1)) / (d - structure.rank);
    return Covariance::low_rank(vectors.narrow(2, 0, structure.rank), smallest.reciprocal(),
                                mean.reciprocal());
  }
  if (structure.tied) return Covariance::isotropic(diagonal.mean(-1).rsqrt(), d);
  if (all_ones(structure.blocks)) return Covariance::diagonal(diagonal.rsqrt());
  std::vector<Tensor> factors;
  for (const Run& run : runs(structure))
    for (const Tensor& factor : inverse_factor(blocks_of(a, run)).unbind(1)) factors.push_back(factor);
  return Covariance::cholesky(std::move(factors));
}

Tensor curvature_penalty(const Structure& structure, const Tensor& h, const Tensor& beta,
                         const Tensor& precision) {
  const Tensor wide = symmetric_float64(structure, h);
  const Tensor b = beta_column(beta, wide);
  // At β = 0 the limit is 0, and the branch that is not taken must have finite values and gradients.
  const Tensor zero = b == 0, safe = at::where(zero, 1.0, b);
  const Tensor m = at::where(zero.unsqueeze(-1).unsqueeze(-1), 0.0, wide / safe.unsqueeze(-1).unsqueeze(-1));
  const Tensor left = precision.defined() ? left_over(structure, m, checked_precision(precision, wide))
                                          : left_over(structure, m);
  return at::where(zero, 0.0, 0.5 * safe * left);
}

}  // namespace v2
}  // namespace variform
