#pragma once
// Ability of families and likelihoods: what the numbers mean that a network computes for them. Unless a function says
// otherwise, the rules of variform/component.h hold; recorded step: never within one.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace variform {
inline namespace v2 {

/// Outputs of a network that follow each other and have one meaning.
struct OutputPart {
  std::string meaning;  ///< "mean", "log-variance"; a plural for what is not one number per latent or value
  int64_t size = 0;     ///< how many they are
};

/// A family or a likelihood that says what its network's outputs mean. Needed by: the Python source that `export`
/// writes, which says it to those who use the networks outside this program.
class NamesOutputs {
 public:
  static constexpr std::string_view kId = "variform.names-outputs/1";  ///< its name
  /// The outputs in their order. Of a family: the columns of params for d latents, parameter_count(d) of them
  /// altogether. Of a likelihood: the outputs of each value, outputs() of them altogether, whatever d is. Any number of
  /// times, by any thread; never throws.
  virtual std::vector<OutputPart> output_parts(int64_t d) const = 0;

 protected:
  ~NamesOutputs() = default;
};

}  // namespace v2
}  // namespace variform
