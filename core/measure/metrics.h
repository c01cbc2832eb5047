#pragma once
// The metrics of an evaluation at work: builds those that are wanted, shows them the batches, and puts what they found
// into the result: losses, bounds and the like side by side into `values`, and one section for each other metric.

#include <variform/metric.h>

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "checkpoint/snapshot.h"
#include "measure/findings.h"
#include "measure/pass.h"

namespace variform::measure {

/// A metric with its parameters' defaults; null when it cannot be had, with a sentence.
struct Chosen {
  std::shared_ptr<Metric> metric;
  std::string label, problem;
};
Chosen usual_metric(model::Session& session, const plugins::Registry& registry, const std::string& id);

/// Calls a function of a metric, which is in the record of calls meanwhile. What it lacks, or a failure, which is also a
/// warning, becomes the reason of all that it has not reported, and false is returned. base::Interrupted passes.
bool call_metric(const std::string& label, const char* function, std::int64_t step, KeptFindings& findings,
                 std::vector<std::string>& warnings, const std::function<void()>& call);

class Metrics {
 public:
  /// Builds options.metrics, and unless `only_these` all others of options.registry that are not on request or that
  /// options.asked asks for. One of those that cannot be built is left out, with a warning; one that was asked for
  /// throws.
  /// `rows`: how many rows there are.
  Metrics(model::Session& session, const EvaluateOptions& options, std::int64_t rows,
          bool only_these = false);
  ~Metrics();

  /// Shows the batch of a pass over all rows to those that take all of them. `tell`, if given, is called with the share
  /// of the work that is done, as earlier batches took time. Throws base::Interrupted.
  void measure(Pass& pass, const Between& tell = {});
  /// The same for every batch of a pass, if any of them takes all rows.
  void measure_all(Pass& pass);
  /// Finishes all in turn, after the last batch of `pass`; those that want fewer rows have a pass of their own. Adds
  /// their sections to the result. When the watch stops it, the missing ones are in result["interrupted"], and
  /// base::Interrupted is thrown if there is nothing else in the result. A metric that fails is a warning, and its
  /// quantities are not defined.
  void finish(Pass& pass, nlohmann::json& result);
  /// Ends an evaluation that the watch stopped after the first `rows` rows of the pass: what stands in `values` is
  /// of those, and result["interrupted"] names the sections that are missing.
  void stop(const Pass& pass, std::int64_t rows, nlohmann::json& result);
  /// Adds the tensors that metrics kept, and under terms/NAME the values of rows of what stands in `values`.
  void add_to(checkpoint::Snapshot& snapshot) const;

 private:
  struct Work;
  bool has(const std::string& name) const;
  void add(const std::string& name, const std::string& label, std::shared_ptr<Metric> metric);
  void add_usual();
  std::shared_ptr<Metric> asked(const std::string& id, const Shorthand& by) const;
  void call(Work& work, const char* function, const std::function<void()>& step);
  void pass_over_some(Work& work, const Pass& all);
  void report(const Work& work, std::int64_t rows, nlohmann::json& result) const;
  void name_missing(nlohmann::json& result, std::int64_t rows, std::int64_t all, std::size_t done) const;

  model::Session& session_;
  const EvaluateOptions& options_;
  const std::int64_t rows_;
  std::vector<std::unique_ptr<Work>> work_;
  std::vector<std::string> warnings_;
};

}  // namespace variform::measure
