// See pictures.h.

#include "export/pictures.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <variform/ext/prior.h>
#include <variform/random.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "model/condition.h"
#include "model/latent_order.h"
#include "model/rows.h"
#include "model/session.h"

namespace variform::exports {
namespace {

constexpr int kGap = 2;
constexpr int kPerRow = 10;
constexpr double kNothing = 0.91;  // a pixel where there is nothing to show

// The state in which every figure is drawn: evaluation mode, no gradients, its own stream of random numbers.
class Drawing {
 public:
  Drawing(model::Session& session, const char* what)
      : model(session.assembly->model()), session_(session), mode_(*session.assembly) {
    if (const std::string reason = why_no_figures(session); !reason.empty()) throw std::runtime_error(reason);
    model.rng.set_current_seed(hash(session.assembly->spec().seed, "figure", what));
  }

  // Maps x [N, channels, height, width] as the model sees it to what was stored, in [0, 1].
  Tensor shown(const Tensor& x) const { return model::unscaled(session_, x).clamp(0, 1); }
  // Maps z [N, d] to pictures of E[x|g(z)].
  Tensor decoded(const Tensor& z, const Context& context) {
    return shown(model.data_mean(model.decode(z, context)));
  }

  // Arranges pictures [N, channels, height, width] in reading order.
  static draw::Image grid(const Tensor& pictures, int columns) {
    const Tensor bytes = (pictures.nan_to_num(0, 1, 0) * 255)
                             .round()
                             .to(at::kCPU, at::kByte)
                             .permute({0, 2, 3, 1})
                             .contiguous();
    const auto side = [&](int64_t dim) { return static_cast<int>(bytes.size(dim)); };
    std::vector<draw::Image> images;
    for (const Tensor& one : bytes.unbind()) {
      draw::Image image{side(2), side(1), side(3), {}};
      image.pixels.assign(one.const_data_ptr<uint8_t>(), one.const_data_ptr<uint8_t>() + one.numel());
      images.push_back(std::move(image));
    }
    return draw::grid(images, columns, kGap, draw::enlargement(side(2), side(1)));
  }

  Model& model;

 private:
  at::NoGradGuard no_grad_;
  model::Session& session_;
  model::EvaluationMode mode_;
};

// Returns the prior's mean for one condition, [1, d]. That of a prior that is not Gaussian is the mean of many draws.
Tensor mean_of_prior(Model& model, const Context& one) {
  constexpr int64_t kDraws = 4096;
  if (const std::optional<Gaussian> prior = model.prior().gaussian(one))
    return prior->mean.to(model.options).reshape({1, model.latent});
  return model.sample_prior(kDraws, one.repeated(kDraws)).mean(0, /*keepdim=*/true);
}

// Returns the context of one row under the first of these conditions; its own if there are none.
Context first_of(const Tensor& conditions, const Context& own) {
  return conditions.defined() ? model::context_of(conditions.narrow(0, 0, 1), 1) : own;
}

// Returns one line per latent: codes [columns, d] in which it alone moves.
std::vector<Tensor> lines_of_latents(Model& model, const Tensor& start, int64_t columns) {
  const auto [mean, deviation] = model::scale_of_prior(model);
  const Tensor steps = at::linspace(-3, 3, columns, model.options);
  std::vector<Tensor> lines;
  for (int64_t i = 0; i < model.latent; ++i) {
    lines.push_back(start.repeat({columns, 1}));
    lines.back().select(1, i).copy_(mean[i] + deviation[i] * steps);
  }
  return lines;
}

// Orders latents by how far they move the picture along their lines, farthest first.
std::vector<std::int64_t> order_by_movement(Drawing& drawing, const std::vector<Tensor>& lines,
                                            const Context& one) {
  std::vector<double> moved;
  for (const Tensor& line : lines)
    moved.push_back(drawing.decoded(line, one.repeated(line.size(0)))
                        .to(at::kDouble)
                        .diff(1, 0)
                        .square()
                        .sum()
                        .item<double>());
  std::vector<std::int64_t> order(moved.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return moved[static_cast<size_t>(a)] > moved[static_cast<size_t>(b)];
  });
  return order;
}

Tensor locations(Model& model, const Batch& batch) {
  return model.posterior(batch.x, batch.context)->location();
}

void require(bool condition, const std::string& text) {
  if (!condition) throw std::invalid_argument(text);
}

}  // namespace

std::string why_no_figures(const model::Session& session) {
  const Shape& shape = session.assembly->model().data;
  if (shape.size() == 3 && (shape[0] == 1 || shape[0] == 3)) return {};
  return "these data cannot be shown as pictures: expected images of shape [1 or 3, height, width], found " +
         to_text(shape) + ".";
}

draw::Image reconstructions(model::Session& session, const std::string& split, std::int64_t n,
                            const Tensor& conditions) {
  require(n > 0, "reconstructions need at least one row.");
  Drawing drawing(session, "reconstructions");
  model::Rows rows(session, split);
  const Batch batch = rows.at(model::spread_rows(n, rows.size()));
  const Context context =
      conditions.defined() ? first_of(conditions, {}).repeated(batch.x.size(0)) : batch.context;
  Tensor data = drawing.shown(batch.x);
  if (batch.context.mask.defined())  // the grey of what is not there
    data = data.masked_fill(batch.context.mask.logical_not(), kNothing);
  const Tensor made = drawing.decoded(locations(drawing.model, batch), context);
  std::vector<Tensor> lines;
  for (int64_t first = 0; first < data.size(0); first += kPerRow) {
    const int64_t count = std::min<int64_t>(kPerRow, data.size(0) - first);
    for (const Tensor& from : {data, made}) {
      lines.push_back(from.narrow(0, first, count));
      if (count < kPerRow && first > 0)  // fills the lines of the last pair
        lines.push_back(
            at::full({kPerRow - count, data.size(1), data.size(2), data.size(3)}, kNothing, data.options()));
    }
  }
  return Drawing::grid(at::cat(lines), static_cast<int>(std::min<int64_t>(kPerRow, data.size(0))));
}

draw::Image samples(model::Session& session, std::int64_t n, bool noise, const Tensor& conditions) {
  require(n > 0, "a figure needs at least one sample.");
  const Tensor own = conditions.defined() ? conditions : model::shown_conditions(session);
  Drawing drawing(session, "samples");
  int columns = kPerRow;
  Context context;
  if (own.defined()) {
    const std::int64_t each = (n + own.size(0) - 1) / own.size(0);
    n = each * own.size(0);
    if (own.size(0) > 1) columns = static_cast<int>(each);
    context = model::context_of(own, each);
  }
  const Tensor z = drawing.model.sample_prior(n, context);
  if (!noise) return Drawing::grid(drawing.decoded(z, context), columns);
  return Drawing::grid(drawing.shown(drawing.model.sample_data(drawing.model.decode(z, context))), columns);
}

draw::Image traversals(model::Session& session, const std::string& split, std::int64_t row,
                       std::int64_t latents, std::int64_t columns, const Tensor& conditions) {
  require(latents > 0 && columns > 1, "a traversal needs at least one latent and two columns.");
  std::vector<std::int64_t> order;
  if (session.batches) order = model::order_of_latents(session, split).order;
  Drawing drawing(session, "traversals");
  Tensor start;  // [1, d]
  Context one;
  if (session.batches) {
    model::Rows rows(session, split);
    require(row >= 0 && row < rows.size(),
            fmt::format("there is no row {} in the split '{}'.", row, rows.split()));
    const Batch batch = rows.range(row, 1);
    start = locations(drawing.model, batch);
    one = first_of(conditions, batch.context);
  } else {
    one = first_of(conditions.defined() ? conditions : model::shown_conditions(session), {});
    start = mean_of_prior(drawing.model, one);
  }
  const std::vector<Tensor> lines = lines_of_latents(drawing.model, start, columns);
  if (order.empty()) order = order_by_movement(drawing, lines, one);
  std::vector<Tensor> z;
  for (std::int64_t i : order) {
    if (static_cast<std::int64_t>(z.size()) == latents) break;
    z.push_back(lines[static_cast<size_t>(i)]);
  }
  const Tensor all = at::cat(z);
  return Drawing::grid(drawing.decoded(all, one.repeated(all.size(0))), static_cast<int>(columns));
}

draw::Image interpolations(model::Session& session, const std::string& split, std::int64_t n,
                           std::int64_t columns, const Tensor& conditions) {
  require(n > 0 && columns > 1, "an interpolation needs at least one pair and two columns.");
  Drawing drawing(session, "interpolations");
  Tensor ends, own;  // [2n, d], [2n, c]
  if (session.batches) {
    model::Rows rows(session, split);
    require(rows.size() > 1, "an interpolation needs two rows.");
    n = std::min(n, rows.size() / 2);
    const Batch batch = rows.at(model::spread_rows(2 * n, rows.size()));
    ends = locations(drawing.model, batch);
    own = batch.context.condition;
  } else {
    own = first_of(conditions.defined() ? conditions : model::shown_conditions(session), {})
              .repeated(2 * n)
              .condition;
    ends = drawing.model.sample_prior(2 * n, {.condition = own});
  }
  if (conditions.defined()) own = first_of(conditions, {}).repeated(2 * n).condition;
  if (own.defined()) own = own.slice(0, 0, 2 * n, 2);  // a line is of one condition
  const Tensor from = ends.slice(0, 0, 2 * n, 2).unsqueeze(1), to = ends.slice(0, 1, 2 * n, 2).unsqueeze(1);
  const Tensor t = at::linspace(0, 1, columns, drawing.model.options).view({1, columns, 1});
  return Drawing::grid(
      drawing.decoded((from + t * (to - from)).flatten(0, 1), model::context_of(own, columns)),
      static_cast<int>(columns));
}

std::string write_figures(model::Session& session, const std::filesystem::path& folder) {
  if (std::string reason = why_no_figures(session); !reason.empty()) return reason;
  draw::write_png(folder / "reconstructions.png", reconstructions(session));
  draw::write_png(folder / "samples.png", samples(session));
  draw::write_png(folder / "traversals.png", traversals(session));
  return {};
}

}  // namespace variform::exports
