#pragma once
// Which processes train one model together: those that torchrun, srun or mpirun has started, or those that the program
// starts itself.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "train/gloo_group.h"

namespace variform::train {

/// Returns an environment variable's value; null if it is not set.
using Variable = std::function<const char*(const char*)>;

/// Returns how this process finds the others that torchrun (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT), srun (a step of
/// several tasks) or mpirun (Open MPI's and PMI's variables) has started with it; nothing where it is alone, which a
/// batch job's script is, too. Throws config::Error where variables contradict each other or one is missing.
std::optional<Meeting> meeting_in(const Variable& variable);

/// The first host of Slurm's list: "node[03-07,9],x" -> "node03".
std::string first_host(const std::string& nodes);

/// Returns the group of this process; null: it trains alone. `processes`: 0 takes what meeting_in() finds, 1 is one
/// process whatever there is, and more are started here, with the arguments `command` of this process. They end with
/// the group, and are killed when this process is. Throws config::Error, and std::runtime_error where none can be
/// started or met.
std::unique_ptr<ProcessGroup> group_of(std::int64_t processes, const std::vector<std::string>& command);

}  // namespace variform::train
