#pragma once
// What the program does with models, done in Python's own process because their components are Python classes: training,
// evaluation, conformance.

#include <cstdint>
#include <string>

#include "python/surroundings.h"

namespace torch {
class Library;
}

namespace variform::python {

/// Reads surroundings from JSON: program, plugins, data, descriptors, classes.
Surroundings surroundings_of(const std::string& text);

/// Trains as `variform train` does, and returns the run's folder. `asked` is JSON: configs, overrides, folder (or
/// empty), runs, if_present ("refuse", "resume" or "overwrite"), stop_at (or −1), threads, accept_changed,
/// observer (Python's number of an object with stepped(), evaluated(), said() and is_stopped()). Throws what
/// train::train() does.
std::string train(const Surroundings& surroundings, const std::string& asked);

/// Evaluates a model; `options` is JSON with the names of the program's options. Returns the report as JSON, with
/// `text`, the table. Throws Error for an option that it does not have.
std::string evaluate(model::Session& session, const plugins::Registry& registry, const std::string& split,
                     const std::string& options);

/// Runs the conformance tests of a described class. `options` is JSON: filter, seed, data, latent, settings, all.
/// Returns JSON as `variform check --json`, with `text`.
std::string check(std::int64_t described, const std::string& options);

/// Registers train() and check() with LibTorch.
void bind_work(torch::Library& library);

}  // namespace variform::python
