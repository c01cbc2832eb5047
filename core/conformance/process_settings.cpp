// See process_settings.h.

#include "conformance/process_settings.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/DefaultDtype.h>
#include <signal.h>

#include <cfenv>
#include <clocale>
#include <filesystem>
#include <system_error>

namespace variform::conformance {
namespace {

void (*handler_of(int number))(int) {
  struct sigaction action {};
  ::sigaction(number, nullptr, &action);
  return action.sa_handler;
}

std::string working_folder() {
  std::error_code error;
  return std::filesystem::current_path(error).string();
}

}  // namespace

ProcessSettings::ProcessSettings()
    : dtype_(c10::get_default_dtype_as_scalartype()),
      gradients_(at::GradMode::is_enabled()),
      autocast_(at::autocast::is_autocast_enabled(at::kCPU)),
      deterministic_(at::globalContext().deterministicAlgorithms()),
      threads_(at::get_num_threads()),
      rounding_(std::fegetround()),
      locale_(std::setlocale(LC_ALL, nullptr)),
      folder_(working_folder()),
      interrupt_(handler_of(SIGINT)),
      terminate_(handler_of(SIGTERM)),
      floating_point_(handler_of(SIGFPE)),
      generator_(at::globalContext().defaultGenerator(at::kCPU).get_state()) {}

std::string ProcessSettings::difference(const ProcessSettings& before) const {
  std::string changed;
  const auto compare = [&](const char* name, bool same) {
    if (!same) changed += (changed.empty() ? "" : ", ") + std::string(name);
  };
  compare("the default dtype", before.dtype_ == dtype_);
  compare("gradient mode", before.gradients_ == gradients_);
  compare("autocast", before.autocast_ == autocast_);
  compare("the number of threads", before.threads_ == threads_);
  compare("deterministic algorithms", before.deterministic_ == deterministic_);
  compare("the locale", before.locale_ == locale_);
  compare("the working folder", before.folder_ == folder_);
  compare("the rounding mode", before.rounding_ == rounding_);
  compare("a signal handler", before.interrupt_ == interrupt_ && before.terminate_ == terminate_ &&
                                  before.floating_point_ == floating_point_);
  return changed;
}

bool ProcessSettings::has_drawn(const ProcessSettings& before) const {
  return !at::equal(before.generator_, generator_);
}

}  // namespace variform::conformance
