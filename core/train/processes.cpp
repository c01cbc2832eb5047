// See processes.h.

#include "train/processes.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

#include <fmt/format.h>

#include "base/child.h"
#include "base/program.h"
#include "config/node.h"

namespace variform::train {
namespace {

constexpr const char* kOwn = "VARIFORM_PROCESS";  // rank/size/port of a process that this program has started

// Ports of groups whose starter names none, chosen by its job or process: above those of services, and below those
// that Linux gives to outgoing connections.
constexpr unsigned kFirstPort = 15'000, kPorts = 15'000;

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return {};
  return number;
}

std::string text_of(const Variable& variable, const char* name) {
  const char* text = variable(name);
  return text ? text : "";
}

std::uint16_t port_by(std::int64_t number) {
  return static_cast<std::uint16_t>(kFirstPort + static_cast<std::uint64_t>(number) % kPorts);
}

// Variables by which a starter of processes numbers them.
struct Starter {
  const char *name, *rank, *size, *here;  // here: how many it has started on this machine
};

// Returns who a process is by a starter's variables; nothing if they are not set, or there is only one process.
std::optional<Meeting> numbered_by(const Starter& starter, const Variable& variable) {
  const std::string rank_text = text_of(variable, starter.rank), size_text = text_of(variable, starter.size);
  if (rank_text.empty() || size_text.empty()) return {};
  const auto rank = number_in(rank_text), size = number_in(size_text);
  constexpr std::int64_t kMost = 1 << 16;
  if (!rank || !size || *size < 1 || *size > kMost || *rank < 0 || *rank >= *size)
    throw config::Error(fmt::format(
        "{} has started this program with {}={} and {}={}, and no process of a group has such a number. For "
        "one process: --processes 1.",
        starter.name, starter.rank, rank_text, starter.size, size_text));
  if (*size == 1) return {};
  Meeting meeting;
  meeting.rank = static_cast<int>(*rank);
  meeting.size = static_cast<int>(*size);
  meeting.is_local = number_in(text_of(variable, starter.here)) == size;
  return meeting;
}

// Sets where the processes meet by MASTER_ADDR and MASTER_PORT, each if it is set. Returns whether the address was.
bool take_place(Meeting& meeting, const Variable& variable) {
  if (const std::string port = text_of(variable, "MASTER_PORT"); !port.empty()) {
    const auto number = number_in(port);
    if (!number || *number < 1 || *number > 65'535)
      throw config::Error("MASTER_PORT is '" + port + "', and a port is a number from 1 to 65535.");
    meeting.port = static_cast<std::uint16_t>(*number);
  }
  const std::string address = text_of(variable, "MASTER_ADDR");
  if (!address.empty()) meeting.address = address;
  return !address.empty();
}

std::optional<Meeting> by_torchrun(const Variable& variable) {
  if (text_of(variable, "MASTER_ADDR").empty() || text_of(variable, "MASTER_PORT").empty()) return {};
  auto meeting = numbered_by({"torchrun", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"}, variable);
  if (!meeting) return {};
  take_place(*meeting, variable);
  meeting->sharing = static_cast<int>(number_in(text_of(variable, "LOCAL_WORLD_SIZE")).value_or(1));
  meeting->has_store = text_of(variable, "TORCHELASTIC_USE_AGENT_STORE") == "True";
  // After a failure torchrun starts all processes again, with the same store.
  meeting->prefix = "variform/" + text_of(variable, "TORCHELASTIC_RESTART_COUNT");
  return meeting;
}

// A batch job's script has SLURM_NTASKS and SLURM_PROCID, too: only a step that srun has started is a group.
std::optional<Meeting> by_slurm(const Variable& variable) {
  const auto job = number_in(text_of(variable, "SLURM_JOB_ID")),
             step = number_in(text_of(variable, "SLURM_STEP_ID"));
  if (!job || !step) return {};
  auto meeting = numbered_by({"srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", ""}, variable);
  if (!meeting) return {};
  meeting->is_local = text_of(variable, "SLURM_STEP_NUM_NODES") == "1";
  meeting->port = port_by(*job * 31 + *step);
  if (take_place(*meeting, variable) || meeting->is_local) return meeting;
  meeting->address = first_host(text_of(variable, "SLURM_STEP_NODELIST"));
  if (meeting->address.empty())
    throw config::Error(
        "srun has started several processes, and SLURM_STEP_NODELIST does not say where the first one is. Set "
        "MASTER_ADDR to its machine.");
  return meeting;
}

std::optional<Meeting> by_mpi(const Variable& variable) {
  auto meeting = numbered_by(
      {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"}, variable);
  if (!meeting) meeting = numbered_by({"mpirun", "PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"}, variable);
  if (!meeting) return {};
  meeting->port = port_by(::getppid());  // of the daemon that starts the processes of one machine
  if (take_place(*meeting, variable) ? meeting->is_local || !text_of(variable, "MASTER_PORT").empty()
                                     : meeting->is_local)
    return meeting;
  throw config::Error(
      "mpirun has started this training on several machines, as far as its variables tell, and not where they "
      "meet. Pass the name of the first one and a free port: mpirun -x MASTER_ADDR=HOST -x MASTER_PORT=29500 …; "
      "for one process: --processes 1.");
}

// Of a process that this program has started.
std::optional<Meeting> by_own(const Variable& variable) {
  const std::string text = text_of(variable, kOwn);
  const std::size_t first = text.find('/'), second = text.rfind('/');
  if (first == std::string::npos || first == second) return {};
  const auto rank = number_in(text.substr(0, first)),
             size = number_in(text.substr(first + 1, second - first - 1)),
             port = number_in(text.substr(second + 1));
  if (!rank || !size || !port) return {};
  Meeting meeting;
  meeting.rank = static_cast<int>(*rank);
  meeting.size = meeting.sharing = static_cast<int>(*size);
  meeting.is_local = true;
  meeting.port = static_cast<std::uint16_t>(*port);
  return meeting;
}

// Process 0 of a group that it has started itself. The others are its children, and end with it.
class Parent final : public ProcessGroup {
 public:
  Parent(int size, const std::vector<std::string>& command)
      : group_(Meeting{.rank = 0, .size = size, .is_local = true, .sharing = size}) {
    for (int rank = 1; rank < size; ++rank) {
      std::vector<std::string> arguments{"env", fmt::format("{}={}/{}/{}", kOwn, rank, size, group_.port()),
                                         base::this_program()};
      arguments.insert(arguments.end(), command.begin() + 1, command.end());
      // Not in the terminal's group: Ctrl-C is told to this process alone, which tells the others.
      children_.push_back(base::Child::of_program(
          arguments, {.out = STDERR_FILENO, .error = STDERR_FILENO, .leads_group = true}));
    }
    group_.ask([this] { return missing(); });
  }
  ~Parent() override {
    group_.leave();
    group_.ask({});
    // Those that have not seen the end by now are killed by their destructors.
    const std::lock_guard lock(mutex_);
    const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (base::Child& child : children_) child.ends_by(latest);
  }

  int rank() const override { return 0; }
  int size() const override { return group_.size(); }
  int sharing() const override { return group_.sharing(); }
  void add(Tensor& flat) override { group_.add(flat); }
  void copy_from_first(Tensor& flat) override { group_.copy_from_first(flat); }
  bool any(bool mine) override { return group_.any(mine); }
  void require_same(const std::map<std::string, std::string>& facts) override { group_.require_same(facts); }
  bool tell_failure(const std::string& why) override { return group_.tell_failure(why); }
  void leave() noexcept override { group_.leave(); }

 private:
  // A child that has failed by itself has told why before it ended.
  std::string missing() {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < children_.size(); ++i) {
      if (children_[i].id() <= 0 || !children_[i].ends_by(std::chrono::steady_clock::now())) continue;
      const pid_t id = children_[i].id();
      const int code = base::code_of(children_[i].status());
      if (code == 0) continue;
      constexpr int kSignals = 128;
      return fmt::format("process {} of {} (number {} of the system) {}", i + 1, size(), id,
                         code > kSignals ? fmt::format("was ended by signal {} ({})", code - kSignals,
                                                       ::strsignal(code - kSignals))
                                         : fmt::format("has ended with code {}", code));
    }
    return {};
  }

  std::mutex mutex_;
  std::vector<base::Child> children_;  // outlives the thread that asks about it
  GlooGroup group_;
};

}  // namespace

std::string first_host(const std::string& nodes) {
  const std::size_t end = nodes.find_first_of(",[");
  std::string host = nodes.substr(0, end);
  if (end == std::string::npos || nodes[end] == ',') return host;
  const std::size_t first = end + 1, last = nodes.find_first_of(",-]", first);
  const std::size_t close = nodes.find(']', first);
  if (close == std::string::npos) return {};
  host += nodes.substr(first, last - first);
  const std::size_t after = nodes.find_first_of(",[", close);
  return host + nodes.substr(close + 1, after == std::string::npos ? after : after - close - 1);
}

std::optional<Meeting> meeting_in(const Variable& variable) {
  for (const auto& by : {by_own, by_torchrun, by_slurm, by_mpi})
    if (auto meeting = by(variable)) return meeting;
  return {};
}

std::unique_ptr<ProcessGroup> group_of(std::int64_t processes, const std::vector<std::string>& command) {
  if (processes == 1) return {};
  const auto meeting =
      meeting_in([](const char* name) { return static_cast<const char*>(std::getenv(name)); });
  if (meeting && processes > 0 && processes != meeting->size)
    throw config::Error(fmt::format(
        "--processes {} was asked of a process that was started together with others ({} in all) for one "
        "training. Leave it out, or give 1 for a training of its own in each.",
        processes, meeting->size));
  if (meeting) return std::make_unique<GlooGroup>(*meeting);
  if (processes == 0) return {};
  return std::make_unique<Parent>(static_cast<int>(processes), command);
}

}  // namespace variform::train
