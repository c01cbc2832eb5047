// See team.h.

#include "train/team.h"

#include <utility>

namespace variform::train {

Team::Team(int64_t size) : errors_(static_cast<size_t>(size)) {
  for (int64_t member = 1; member < size; ++member) threads_.emplace_back([this, member] { serve(member); });
}

Team::~Team() {
  work_ = nullptr;
  ++round_;
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::run(const std::function<void(int64_t)>& work) {
  work_ = &work;
  at_work_ = static_cast<uint32_t>(threads_.size());
  ++round_;
  round_.notify_all();
  call(0);
  for (uint32_t left = at_work_; left != 0; left = at_work_) at_work_.wait(left);
  for (std::exception_ptr& error : errors_)
    if (error) {
      const std::exception_ptr first = error;
      for (std::exception_ptr& each : errors_) each = nullptr;
      std::rethrow_exception(first);
    }
}

void Team::serve(int64_t member) {
  for (uint32_t seen = 0;; ++seen) {
    round_.wait(seen);
    if (!work_) return;
    call(member);
    if (--at_work_ == 0) at_work_.notify_one();
  }
}

void Team::call(int64_t member) {
  try {
    (*work_)(member);
  } catch (...) {
    errors_[static_cast<size_t>(member)] = std::current_exception();
  }
}

}  // namespace variform::train
