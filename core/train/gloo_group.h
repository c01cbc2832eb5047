#pragma once
// A Group over LibTorch's c10d: the processes find each other through a TCPStore, and their tensors go through Gloo.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "train/process_group.h"

namespace variform::train {

/// How a process finds the others of its group.
struct Meeting {
  int rank = 0, size = 1;
  bool is_local = false;              ///< all of them are on this machine, as far as it is known
  int sharing = 1;                    ///< how many of them share the processors that this one may use
  std::string address = "127.0.0.1";  ///< of the machine of process 0
  std::uint16_t port = 0;             ///< 0: process 0 takes a free one, and tells it by GlooGroup::port()
  bool has_store = false;             ///< what has started the processes keeps the store (torchrun)
  std::string prefix = "variform";    ///< of the store's keys
};

/// Whether the program was built with Gloo's headers.
bool has_gloo();

class GlooGroup final : public ProcessGroup {
 public:
  /// Returns a sentence as soon as it is known that a process has ended that should not have; else nothing.
  using Missing = std::function<std::string()>;

  /// Reaches the store, or opens it in process 0, and begins to watch over the others. Throws std::runtime_error where
  /// that fails, or in a program without Gloo.
  explicit GlooGroup(const Meeting& meeting);
  ~GlooGroup() override;

  std::uint16_t port() const;
  /// Is asked by the watching thread from now on.
  void ask(Missing missing);

  int rank() const override;
  int size() const override;
  int sharing() const override;
  void add(Tensor& flat) override;
  void copy_from_first(Tensor& flat) override;
  bool any(bool mine) override;
  void require_same(const std::map<std::string, std::string>& facts) override;
  bool tell_failure(const std::string& why) override;
  void leave() noexcept override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace variform::train
