// Runs a process for every component, and within it a process for every test.

#include "conformance/run.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/processes.h"
#include "conformance/quick.h"
#include "plugins/library.h"

namespace variform::conformance {
namespace {

using nlohmann::json;
constexpr const char* kLibrary = "library";

// Loads the plugin's descriptor, unless it is there, and finds the component "kind:id" in it.
void load_component(Case& test, const std::string& component) {
  if (!test.plugin) {
    const plugins::Opened opened =
        plugins::open_plugin(test.path, test.manifest, plugins::how_to_rebuild(test.path, {}));
    if (!opened.info) fail("the plugin does not load: " + opened.problem);
    test.plugin = opened.info;
  }
  for (const ComponentList* list = test.plugin->lists_begin; list != test.plugin->lists_end; ++list)
    for (std::size_t i = 0; i < list->count; ++i)
      if (std::string(list->first[i].kind_name) + ":" + list->first[i].id == component)
        test.info = &list->first[i];
  if (!test.info) fail("the plugin's descriptor has no " + component);
}

testing::Value value_of(const Parameter& parameter, const std::string& text) {
  const json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto refuse = [&]() -> testing::Value {
    throw Error(std::string("parameter '") + parameter.name + "' is of type " + to_string(parameter.type) +
                "; found '" + text + "'");
  };
  switch (parameter.type) {
    case ParameterType::kText:
      if (value.is_string()) return value.get<std::string>();
      return text;
    case ParameterType::kNumbers:
    case ParameterType::kIntegers:
      if (!value.is_array()) return refuse();
      for (const json& item : value)
        if (!item.is_number()) return refuse();
      return value.get<std::vector<double>>();
    case ParameterType::kComponent: return refuse();
    default:
      if (value.is_boolean()) return value.get<bool>() ? 1.0 : 0.0;
      if (!value.is_number()) return refuse();
      if (const double number = value.get<double>(); number >= parameter.low && number <= parameter.high)
        return number;
      throw Error(std::string("parameter '") + parameter.name + "' is from " + text_of(parameter.low) +
                  " to " + text_of(parameter.high) + "; found " + text);
  }
}

testing::Values settings_for(const ComponentInfo& info, const std::map<std::string, std::string>& texts) {
  testing::Values values;
  for (const auto& [key, text] : texts) {
    const auto parameters = info.parameters();
    const auto found = std::find_if(parameters.begin(), parameters.end(),
                                    [&, &name = key](const Parameter& p) { return name == p.name; });
    if (found == parameters.end()) {
      std::string names;
      for (const Parameter& p : parameters) names += (names.empty() ? "" : ", ") + std::string(p.name);
      throw Error(std::string(info.id) + " has no parameter '" + key + "'; it has " +
                  (names.empty() ? "none" : names));
    }
    values[key] = value_of(*found, text);
  }
  return values;
}

// Runs one test and returns the outcome, whatever it throws.
Result attempt(const Test& test, Case subject, const std::string& component, const RunOptions& options) {
  Result result{component, std::string(test.name), Outcome::kPass, {}, false};
  try {
    if (component != kLibrary) {
      load_component(subject, component);
      const auto found = options.settings.find(component);
      if (found != options.settings.end()) subject.settings = settings_for(*subject.info, found->second);
    }
    test.run(subject);
  } catch (const Verdict& verdict) {
    result.outcome = verdict.outcome;
    result.detail = verdict.what();
  } catch (...) {
    result.outcome = Outcome::kFail;
    result.detail = message_of_exception();
  }
  return result;
}

json to_json(const Result& result) {
  return {
      {"component", result.component}, {"test", result.test},       {"outcome", to_string(result.outcome)},
      {"detail", result.detail},       {"blocked", result.blocked}, {"late", result.late}};
}

Result from_json(const json& value) {
  Result result{value.at("component"), value.at("test"),    Outcome::kPass,
                value.at("detail"),    value.at("blocked"), value.at("late")};
  for (Outcome outcome : {Outcome::kWarning, Outcome::kSkipped, Outcome::kFail, Outcome::kCrash})
    if (value.at("outcome") == to_string(outcome)) result.outcome = outcome;
  return result;
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

// Returns the CPU seconds that a quick run has left.
double seconds_left(const RunOptions& options) { return options.quick - base::seconds_of_children(); }

// Returns the seconds for the next test. A sleeping test takes no CPU time, hence the bound.
double time_for(const RunOptions& options) {
  constexpr double kOnABusyMachine = 4;
  if (options.quick <= 0) return options.limit;
  return std::min(options.limit, kOnABusyMachine * seconds_left(options));
}

// Ends this process after so much CPU time: on an idle machine the time above is four times as much. The system counts
// whole seconds.
void bound_processor_time(double seconds) {
  rlimit bound{};
  ::getrlimit(RLIMIT_CPU, &bound);
  bound.rlim_cur = std::min(bound.rlim_cur, static_cast<rlim_t>(std::ceil(std::max(seconds, 0.0))));
  ::setrlimit(RLIMIT_CPU, &bound);
}

// The same in a separate process.
Result attempt_apart(const Test& test, const Case& subject, const std::string& component,
                     const RunOptions& options) {
  const auto limit = std::chrono::milliseconds(static_cast<long>(1000 * time_for(options)));
  const double left = seconds_left(options);
  const base::Ended ended =
      base::run_in_processes({[&] {
                               if (options.quick > 0) bound_processor_time(left);
                               at::set_num_threads(1);
                               return dump(to_json(attempt(test, subject, component, options)));
                             }},
                             1, limit)
          .front();
  if (ended.answered) return from_json(json::parse(ended.answer));
  Result result{component, std::string(test.name), Outcome::kCrash, {}, false};
  if (ended.timed_out && options.quick > 0) {
    result.outcome = Outcome::kWarning;
    result.late = true;
    result.detail = "it did not end in the time of a quick run";
  } else if (ended.timed_out) {
    result.outcome = Outcome::kFail;
    result.detail = "it did not end within " + text_of(options.limit) + " s and was killed";
  } else {
    result.detail = "its process " + ended.ending;
  }
  if (!ended.output.empty()) result.detail += "; it had printed:\n" + ended.output;
  return result;
}

bool applies(const Test& test, const std::string& component) {
  if (component == kLibrary || test.kinds.empty()) return component == kLibrary && test.kinds.empty();
  const std::string kind = component.substr(0, component.find(':'));
  return std::any_of(test.kinds.begin(), test.kinds.end(), [&](Kind k) { return kind == to_string(k); });
}

// Runs all tests for one component, or for the library, in order.
std::vector<Result> run_component(const Case& subject, const std::string& component,
                                  const RunOptions& options, std::set<std::string> failed) {
  std::vector<Result> results;
  for (const Test& test : all_tests()) {
    if (!applies(test, component)) continue;
    const bool named = options.filter.empty() || component.find(options.filter) != std::string::npos ||
                       test.name.find(options.filter) != std::string_view::npos;
    if (!named || (options.quick > 0 && !is_quick(test, component))) continue;
    Result result{component, std::string(test.name), Outcome::kSkipped, {}, false};
    for (std::string_view need : test.needs)
      if (failed.contains(std::string(need)) && !result.blocked) {
        result.blocked = true;
        result.detail = "test '" + std::string(need) + "' did not pass, and this one builds on it";
      }
    result.late = !result.blocked && options.quick > 0 && time_for(options) <= 0;
    if (result.late) result.detail = "a quick run had no time left for it";
    else if (!result.blocked)
      result = options.in_process ? attempt(test, subject, component, options)
                                  : attempt_apart(test, subject, component, options);
    if (result.blocks() && (options.quick <= 0 || blocks_quick_run(result.test)))
      failed.insert(std::string(test.name));
    results.push_back(std::move(result));
  }
  return results;
}

std::set<std::string> failures(const std::vector<Result>& results) {
  std::set<std::string> names;
  for (const Result& result : results)
    if (result.blocks()) names.insert(result.test);
  return names;
}

bool is_chosen(const std::string& component, const RunOptions& options) {
  return options.components.empty() || options.components.contains(component);
}

// Runs each component in a process that makes the tests' processes.
void run_components(const Case& subject, const RunOptions& options, Results& all) {
  const std::set<std::string> failed = failures(all.results);
  std::vector<std::function<std::string()>> functions;
  std::vector<std::string> chosen;
  for (const std::string& component : subject.manifest.components)
    if (is_chosen(component, options)) chosen.push_back(component);
  for (const std::string& component : chosen)
    functions.push_back([&, component] {
      json list = json::array();
      for (const Result& result : run_component(subject, component, options, failed))
        list.push_back(to_json(result));
      return dump(list);
    });
  const std::vector<base::Ended> ended =
      base::run_in_processes(functions, options.jobs, std::chrono::hours(24));
  for (std::size_t i = 0; i < ended.size(); ++i) {
    if (!ended[i].answered)
      throw Error("the tests of " + chosen[i] + " could not be run: their process " + ended[i].ending +
                  (ended[i].output.empty() ? "" : ": " + ended[i].output));
    for (const json& value : json::parse(ended[i].answer)) all.results.push_back(from_json(value));
  }
}

void check_settings(const RunOptions& options, const plugins::Manifest& manifest) {
  std::set<std::string> named = options.components;
  for (const auto& [component, values] : options.settings) named.insert(component);
  for (const std::string& component : named)
    if (!manifest.offers(component)) {
      std::string names;
      for (const std::string& name : manifest.components) names += (names.empty() ? "" : ", ") + name;
      throw Error("the plugin has no " + component + "; it has " + names);
    }
}

// Checks the settings against the plugin's schema, in a separate process because that means loading it.
void check_parameters(const Case& subject, const RunOptions& options) {
  const auto problem = [&]() -> std::string {
    for (const auto& [component, texts] : options.settings) {
      Case one = subject;
      try {
        load_component(one, component);
      } catch (...) {
        return {};  // a test reports why
      }
      try {
        settings_for(*one.info, texts);
      } catch (const Error& error) {
        return error.what();
      }
    }
    return {};
  };
  if (options.settings.empty()) return;
  std::string found;
  if (options.in_process) found = problem();
  else found = base::run_in_processes({problem}, 1, std::chrono::seconds(10)).front().answer;
  if (!found.empty()) throw Error(found);
}

}  // namespace

int Results::count(Outcome outcome) const {
  return static_cast<int>(std::count_if(results.begin(), results.end(),
                                        [&](const Result& result) { return result.outcome == outcome; }));
}

bool Results::conforms() const { return count(Outcome::kFail) == 0 && count(Outcome::kCrash) == 0; }

namespace {

// Runs the tests of the chosen components where the case's plugin is, and checks that there was something to run.
void run_chosen(const Case& subject, const RunOptions& options, Results& all) {
  if (!options.in_process) run_components(subject, options, all);
  else
    for (const std::string& component : subject.manifest.components)
      if (is_chosen(component, options))
        for (Result& result : run_component(subject, component, options, failures(all.results)))
          all.results.push_back(std::move(result));
  if (all.results.empty())
    throw Error("no test, and no component of this plugin, has '" + options.filter + "' in its name");
}

}  // namespace

Results run(const std::filesystem::path& plugin, const RunOptions& options) {
  Results all;
  Case subject;
  subject.path = all.path = std::filesystem::absolute(plugin).lexically_normal();
  subject.seed = all.seed = options.seed;
  subject.own_process = !options.in_process;
  subject.wanted = options.wanted;
  const plugins::ManifestResult read = plugins::read_manifest(subject.path);
  if (!read.manifest) {
    all.results.push_back({kLibrary, "manifest", Outcome::kFail, read.problem, false});
    return all;
  }
  subject.manifest = *read.manifest;
  all.plugin = subject.manifest.id + " " + subject.manifest.version;
  check_settings(options, subject.manifest);
  check_parameters(subject, options);
  if (options.components.empty()) all.results = run_component(subject, kLibrary, options, {});
  run_chosen(subject, options, all);
  return all;
}

Results run(const PluginInfo& plugin, RunOptions options) {
  options.in_process = true;
  Results all;
  Case subject;
  subject.plugin = &plugin;
  subject.seed = all.seed = options.seed;
  subject.own_process = false;
  subject.wanted = options.wanted;
  subject.manifest.id = plugin.id;
  subject.manifest.version = plugin.version;
  for (const ComponentList* list = plugin.lists_begin; list != plugin.lists_end; ++list)
    for (std::size_t i = 0; i < list->count; ++i)
      subject.manifest.components.push_back(std::string(list->first[i].kind_name) + ":" + list->first[i].id);
  all.plugin = subject.manifest.id + " " + subject.manifest.version;
  check_settings(options, subject.manifest);
  check_parameters(subject, options);
  run_chosen(subject, options, all);
  return all;
}

}  // namespace variform::conformance
