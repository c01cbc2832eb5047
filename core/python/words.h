#pragma once
// Turns what the engine throws into Python's exceptions: what a caller can mend by another argument is a ValueError, what
// a component lacks a NotImplementedError, and all else a RuntimeError.

#include <variform/model.h>

#include <c10/util/Exception.h>

#include <exception>
#include <stdexcept>
#include <string>

#include "base/frames.h"
#include "config/node.h"

namespace variform::python {

/// Returns what `call` does, and turns what it throws.
template <class Call>
auto in_words(const Call& call) {
  const auto sentence = [](const std::exception& error) { return base::without_frames(error.what()); };
  try {
    return call();
  } catch (const c10::Error&) {
    throw;
  } catch (const Unsupported& error) {
    C10_THROW_ERROR(NotImplementedError, sentence(error));
  } catch (const ComponentError& error) {
    throw std::runtime_error(sentence(error));
  } catch (const Error& error) {
    C10_THROW_ERROR(ValueError, sentence(error));
  } catch (const config::Error& error) {
    C10_THROW_ERROR(ValueError, sentence(error));
  } catch (const std::invalid_argument& error) {
    C10_THROW_ERROR(ValueError, sentence(error));
  } catch (const std::exception& error) {
    throw std::runtime_error(sentence(error));
  }
}

}  // namespace variform::python
