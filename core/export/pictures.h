#pragma once
// Pictures of a trained model, as grids of images. Everything is a function of model, data and seed.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "draw/png_grid.h"

namespace variform::model {
struct Session;
}

namespace variform::exports {

/// Empty, or a sentence that says why the model's data cannot be shown (they are not grey or colour images). The
/// functions below throw std::runtime_error with that sentence.
std::string why_no_figures(const model::Session& session);

/// n data evenly spread over the split, ten in a row, each row of data above the row of its reconstructions E[x|g(h)].
/// An empty split name means test, or train when there is no test data: so below.
draw::Image reconstructions(model::Session& session, const std::string& split = {}, std::int64_t n = 30);

/// E[x|g(z)] for n draws of z from the prior, ten in a row; with `noise` draws of x instead.
draw::Image samples(model::Session& session, std::int64_t n = 100, bool noise = false);

/// One latent a row, the one with the largest KL first, at most `latents` rows: that latent runs from −3 to 3
/// standard deviations of the prior (of N(0, 1) when it is not Gaussian) while the others stay at the location of row
/// `datum`. Of a session without data: they stay at the prior's mean, and the latent that moves the picture most
/// comes first.
draw::Image traversals(model::Session& session, const std::string& split = {}, std::int64_t datum = 0,
                       std::int64_t latents = 16, std::int64_t columns = 11);

/// Straight lines between the locations of n pairs of data, one pair a row; without data, between draws of the prior.
draw::Image interpolations(model::Session& session, const std::string& split = {}, std::int64_t n = 8,
                           std::int64_t columns = 11);

/// Writes reconstructions.png, samples.png and traversals.png into the folder. Returns empty, or the sentence of
/// why_no_figures(): then nothing is written.
std::string write_figures(model::Session& session, const std::filesystem::path& folder);

}  // namespace variform::exports
