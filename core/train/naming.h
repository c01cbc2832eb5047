#pragma once
// Names component, method and step in errors of calls that do not go through Model, which does it for those that do.

#include <c10/util/Exception.h>

#include <variform/calls.h>
#include <variform/model.h>

#include <exception>
#include <string>

#include "plugins/trial.h"

namespace variform::train {

/// Calls, and puts `what` and the step before the words of what is thrown, as ComponentError.
template <class Call>
auto naming(const Model& model, const std::string& what, const Call& call) {
  const auto context = [&] {
    return what + (model.step() >= 0 ? ", at step " + std::to_string(model.step()) : "") + ": ";
  };
  try {
    return call();
  } catch (const c10::Error& error) {
    throw ComponentError(context() + error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw ComponentError(context() + error.what());
  } catch (...) {
    throw ComponentError(context() + "an exception that does not derive from std::exception");
  }
}

/// Calls the backward pass of a loss, whose graph does not tell which component's operation fails.
template <class Call>
auto in_backward(const Model& model, const Tensor& loss, const Call& call) {
  constexpr const char* kBackward = "the backward pass of the loss";
  const Calling kept(nullptr, nullptr, kBackward, model.step());
  const KeptModes modes;
  try {
    return naming(model, kBackward, call);
  } catch (const ComponentError& error) {
    throw ComponentError(error.what() + plugins::guests_in(loss));
  }
}

}  // namespace variform::train
