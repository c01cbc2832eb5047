#pragma once
// Draws pictures of a trained model, as grids of images. Everything is a function of model, data and seed.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "draw/png_grid.h"

namespace variform::model {
struct Session;
}

namespace variform::exports {

/// Returns a sentence when the model's data cannot be shown, since they are not grey or colour images; else nothing.
/// The functions below throw std::runtime_error with that sentence.
std::string why_no_figures(const model::Session& session);

/// Draws n examples evenly spread over the split, ten per line, each line above that of its reconstructions E[x|g(h)];
/// values that were not observed are grey.
/// An empty split name means test, or train when there are no test data, here and below. `conditions` [R, c], of
/// model/condition.h: the first one is the decoder's, whatever the rows' own is; undefined: their own.
draw::Image reconstructions(model::Session& session, const std::string& split = {}, std::int64_t n = 30,
                            const at::Tensor& conditions = {});

/// Draws E[x|g(z)] for n draws of z from the prior, ten per line; with `noise` draws of x instead. For a model with a
/// condition one line for each of `conditions`, by default those of shown_conditions(), at least n in all.
draw::Image samples(model::Session& session, std::int64_t n = 100, bool noise = false,
                    const at::Tensor& conditions = {});

/// Draws one line per latent, at most `latents`, that with the largest KL first: the latent runs from −3 to 3 standard
/// deviations of the prior (of N(0, 1) when it is not Gaussian) while the others stay at the location of row `row`. For
/// a session without data they stay at the prior's mean, and the latent that moves the picture most comes first. The
/// condition stays that of the row, or the first of `conditions`.
draw::Image traversals(model::Session& session, const std::string& split = {}, std::int64_t row = 0,
                       std::int64_t latents = 16, std::int64_t columns = 11,
                       const at::Tensor& conditions = {});

/// Draws straight lines between the locations of n pairs of rows, one line per pair; without data, between draws of the
/// prior. The condition of a line is that of its first row, or the first of `conditions`.
draw::Image interpolations(model::Session& session, const std::string& split = {}, std::int64_t n = 8,
                           std::int64_t columns = 11, const at::Tensor& conditions = {});

/// Writes reconstructions.png, samples.png and traversals.png into the folder. When they cannot be drawn, writes
/// nothing and returns the sentence of why_no_figures().
std::string write_figures(model::Session& session, const std::filesystem::path& folder);

}  // namespace variform::exports
