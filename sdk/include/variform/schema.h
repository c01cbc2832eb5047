#pragma once
// The description of a component as constant data: its kind, id, documentation and parameters.
// Light on purpose (no LibTorch): the config reader, `describe` and the plugin loader all work from it,
// and a plugin's author writes it once, beside the class that it describes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string_view>

namespace variform {
inline namespace v2 {

/// The kinds of component that this SDK knows: the six slots of a model; metrics, which measure a model; and readers of
/// files. Plugins carry a kind's name, not its number, so that kinds may be added.
enum class Kind {
  kEncoder,
  kDecoder,
  kFamily,
  kPrior,
  kLikelihood,
  kObjective,
  kMetric,
  kReader,
  kUnknown = 255  ///< of a later SDK
};

/// How many slots a model has: the first kinds.
inline constexpr std::size_t kKinds = 6;

/// The slots, in the order in which the engine builds them: sizes flow from family and likelihood to the networks.
inline constexpr std::array<Kind, kKinds> kAllKinds{Kind::kLikelihood, Kind::kPrior,   Kind::kFamily,
                                                    Kind::kEncoder,    Kind::kDecoder, Kind::kObjective};

/// The kinds of component, in the order in which they are listed.
inline constexpr std::array<Kind, kKinds + 2> kComponentKinds{
    Kind::kEncoder,    Kind::kDecoder,   Kind::kFamily, Kind::kPrior,
    Kind::kLikelihood, Kind::kObjective, Kind::kMetric, Kind::kReader};

/// The kind's name as it stands in plugins, configs, checkpoints and messages: "encoder", "decoder", "family", …
constexpr const char* to_string(Kind kind) {
  constexpr const char* kNames[] = {"encoder",    "decoder",   "family", "prior",
                                    "likelihood", "objective", "metric", "reader"};
  return kind == Kind::kUnknown ? "unknown kind" : kNames[static_cast<std::size_t>(kind)];
}

/// The kind of that name; kUnknown if this SDK has none.
constexpr Kind kind_named(std::string_view name) {
  for (const Kind kind : kComponentKinds)
    if (name == to_string(kind)) return kind;
  return Kind::kUnknown;
}

/// What a parameter holds.
enum class ParameterType { kNumber, kInteger, kText, kFlag, kNumbers, kIntegers, kComponent };

/// The type's name in messages and in `describe`.
constexpr const char* to_string(ParameterType type) {
  constexpr const char* kNames[] = {"number",  "integer",          "text",     "true or false",
                                    "numbers", "list of integers", "component"};
  return kNames[static_cast<std::size_t>(type)];
}

/// One parameter of a component. Build it with number(), integer(), text(), flag(), numbers(), integers() or
/// component_parameter() and refine it with the member functions below, each of which returns a refined copy:
/// `variform::number("df", 5.0).at_least(0.5).doc("Degrees of freedom.")`.
/// All strings must have static storage (string literals).
struct Parameter {
  static constexpr std::size_t kMaxChoices = 16;     ///< as many as one_of() takes
  static constexpr std::size_t kMaxListDefault = 8;  ///< length of the longest default of a list

  const char* name = "";                        ///< its key in configs: lower case, digits, underscores
  ParameterType type = ParameterType::kNumber;  ///< what it holds
  const char* description = "";                 ///< one sentence or two, for `describe`
  const char* unit = "";                        ///< "" when it has none
  bool is_required = false;                     ///< no default: leaving it out is an error
  bool is_schedulable = false;                  ///< may be a schedule; read with Build::schedule
  double low = -std::numeric_limits<double>::infinity();  ///< of each number
  double high = std::numeric_limits<double>::infinity();  ///< of each number, itself allowed
  bool excludes_low = false;                              ///< true: the value must be greater than `low`
  double number_default = 0;                              ///< numbers, integers and flags (0 or 1)
  const char* text_default = "";                          ///< of a text
  std::array<double, kMaxListDefault> list_default{};     ///< of a list: the first list_size of these
  std::size_t list_size = 0;                              ///< at most kMaxListDefault
  std::array<const char*, kMaxChoices> choices{};         ///< allowed texts; none: any text
  std::size_t choice_count = 0;                           ///< at most kMaxChoices
  const char* component_kind = "";                        ///< for ParameterType::kComponent: the kind's name
  bool is_added_later = false;  ///< its default leaves no trace in a resolved config

  /// With this description, which every parameter must have.
  constexpr Parameter doc(const char* text) const {
    Parameter p = *this;
    p.description = text;
    return p;
  }
  /// Measured in this unit.
  constexpr Parameter in(const char* unit_name) const {
    Parameter p = *this;
    p.unit = unit_name;
    return p;
  }
  /// Numbers, integers and lists of them: none may be below `value`.
  constexpr Parameter at_least(double value) const {
    Parameter p = *this;
    p.low = value;
    return p;
  }
  /// Like at_least(), but `value` itself is refused, too.
  constexpr Parameter above(double value) const {
    Parameter p = *this;
    p.low = value;
    p.excludes_low = true;
    return p;
  }
  /// Numbers, integers and lists of them: none may be above `value`.
  constexpr Parameter at_most(double value) const {
    Parameter p = *this;
    p.high = value;
    return p;
  }
  /// Without a default: a config that leaves it out is refused.
  constexpr Parameter required() const {
    Parameter p = *this;
    p.is_required = true;
    return p;
  }
  /// Numbers only: the config may give a schedule; Build::schedule(name) is a 0-dim tensor that follows it.
  constexpr Parameter schedulable() const {
    Parameter p = *this;
    p.is_schedulable = true;
    return p;
  }
  /// For a parameter that a component did not have at first: its default must be what the component did without it, and
  /// leaves no trace in a resolved config, so that runs of before are still recognised. Texts that are empty by default
  /// are such parameters already.
  constexpr Parameter added_later() const {
    Parameter p = *this;
    p.is_added_later = true;
    return p;
  }
  /// Texts only: one of these, at most kMaxChoices.
  constexpr Parameter one_of(std::initializer_list<const char*> texts) const {
    Parameter p = *this;
    for (const char* text : texts) p.choices[p.choice_count++] = text;  // too many: not a constant expression
    return p;
  }
};

/// A real number; Build::number(name).
constexpr Parameter number(const char* name, double default_value) {
  Parameter p;
  p.name = name;
  p.number_default = default_value;
  return p;
}
/// An integer; Build::integer(name).
constexpr Parameter integer(const char* name, std::int64_t default_value) {
  Parameter p;
  p.name = name;
  p.type = ParameterType::kInteger;
  p.number_default = static_cast<double>(default_value);
  return p;
}
/// A text; Build::text(name).
constexpr Parameter text(const char* name, const char* default_value) {
  Parameter p;
  p.name = name;
  p.type = ParameterType::kText;
  p.text_default = default_value;
  return p;
}
/// True or false; Build::flag(name).
constexpr Parameter flag(const char* name, bool default_value) {
  Parameter p;
  p.name = name;
  p.type = ParameterType::kFlag;
  p.number_default = default_value ? 1 : 0;
  return p;
}
/// What numbers() and integers() have in common.
constexpr Parameter list_parameter(const char* name, ParameterType type,
                                   std::initializer_list<double> defaults) {
  Parameter p;
  p.name = name;
  p.type = type;
  for (double value : defaults) p.list_default[p.list_size++] = value;
  return p;
}
/// A list of numbers; Build::numbers(name). At most Parameter::kMaxListDefault defaults.
constexpr Parameter numbers(const char* name, std::initializer_list<double> defaults) {
  return list_parameter(name, ParameterType::kNumbers, defaults);
}
/// A list of integers; Build::integers(name). At most Parameter::kMaxListDefault defaults.
constexpr Parameter integers(const char* name, std::initializer_list<double> defaults) {
  return list_parameter(name, ParameterType::kIntegers, defaults);
}
/// A parameter that is itself a component, written as an inline table with a `type`
/// (`of = { type = "mlp" }`). Always required; read with Build::component<T>(name).
constexpr Parameter component_parameter(const char* name, Kind kind) {
  Parameter p;
  p.name = name;
  p.type = ParameterType::kComponent;
  p.component_kind = to_string(kind);
  p.is_required = true;
  return p;
}

}  // namespace v2
}  // namespace variform
