// See slurm.h.

#include "study/slurm.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>

#include <fmt/format.h>

#include "base/error.h"
#include "base/program.h"
#include "base/quote.h"
#include "study/batch.h"

namespace variform::study {
namespace {

// What the jobs do, after the lines that say what is submitted. $1 is the part of a job: nothing by hand.
constexpr const char* kJobs = R"SH(
if [ $# = 0 ]; then  # by hand: submits itself
  script=$(realpath "$0")
  print=${print//%/%%}
  workers=$(sbatch --parsable "${options[@]}" --output="$print/%A-%a.txt" --array="1-$workers" "$script" worker) || exit
  workers=${workers%%;*}
  report=$(sbatch --parsable "${options[@]}" --output="$print/%j-report.txt" --dependency="afterany:$workers" \
    "$script" report) || exit
  echo "submitted the workers as job $workers, and the report after them as job ${report%%;*}"
  exit
fi
[ "$1" = report ] && command+=(--to-end)

worker=
trap '[ -z "$worker" ] || kill -USR1 $worker' USR1
trap '[ -z "$worker" ] || kill -TERM $worker' TERM
for ((starts = 0; starts < 100; ++starts)); do
  "${command[@]}" &
  worker=$!
  while :; do  # a signal ends `wait`, and not the worker
    wait $worker
    code=$?
    kill -0 $worker 2>/dev/null || break
  done
  case $code in
    134 | 135 | 136 | 137 | 139) ;;  # it crashed or was killed, for instance for its memory: once more
    138) code=75; break ;;           # SIGUSR1 came before it could be heard
    *) break ;;
  esac
done

# 75: the time was over; the job waits in the queue again.
if [ $code = 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 1000 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit $code
)SH";

// The seconds before the end of a job at which a training begins to write its checkpoint.
long notice_for(const std::string& time) {
  constexpr long kNotice = 120, kPartOfTime = 4;
  const auto whole = batch_time(time);
  return whole ? std::min(kNotice, static_cast<long>(whole->count()) / kPartOfTime) : kNotice;
}

std::string job_name(const std::string& study) {
  std::string name = "variform-" + study;
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return c >= 0x80 || !(std::isalnum(c) || c == '-' || c == '_'); }, '-');
  return name;
}

std::string array_of(const char* name, const std::vector<std::string>& words) {
  std::string text = std::string(name) + "=(";
  for (const std::string& word : words) text += "\n  " + base::for_shell(word);
  return text + "\n)\n";
}

std::vector<std::string> options_of(const SlurmJob& job) {
  std::vector<std::string> options{"--job-name=" + job_name(job.study),
                                   "--open-mode=append",
                                   "--ntasks=1",
                                   "--cpus-per-task=" + std::to_string(job.cpus),
                                   "--signal=B:USR1@" + std::to_string(notice_for(job.time)),
                                   "--requeue"};
  if (!job.time.empty()) options.push_back("--time=" + job.time);
  if (!job.gpus.empty()) options.push_back("--gres=gpu:" + job.gpus);
  options.insert(options.end(), job.options.begin(), job.options.end());
  return options;
}

// The variables that the program is started with, for jobs that do not inherit them.
std::string exports() {
  std::string text;
  for (const char* name :
       {"LD_LIBRARY_PATH", "VARIFORM_HOME", "VARIFORM_DATA", "VARIFORM_PLUGINS", "VARIFORM_PLUGIN_PATH"})
    if (const char* value = std::getenv(name))
      text += std::string("export ") + name + "=" + base::for_shell(value) + "\n";
  return text;
}

}  // namespace

std::string slurm_script(const SlurmJob& job) {
  return fmt::format(
      "#!/bin/bash\n"
      "# The study {} on Slurm. By hand, `bash` and this file submit an array of workers, and a job that\n"
      "# writes the report after them. Written by `variform study --slurm`; may be changed.\n"
      "workers={}\n"
      "print={}\n"
      "{}{}{}cd {} || exit\n"
      "{}",
      base::shown(job.study), job.workers, base::for_shell(job.folder.string()),
      array_of("options", options_of(job)), array_of("command", job.command), exports(),
      base::for_shell(job.from.string()), kJobs);
}

std::string submit_to_slurm(const std::filesystem::path& script) {
  constexpr std::chrono::minutes kLimit{5};
  if (base::on_path("sbatch") == "sbatch")
    throw base::Error("sbatch is not on the PATH, so that nothing was submitted. Where it is: bash " +
                      base::for_shell(script.string()));
  const base::Said said =
      base::run_program({base::on_path("bash"), "-c", "exec bash \"$0\" 2>&1", script.string()}, kLimit);
  if (said.code != 0)
    throw base::Error("sbatch has not taken the jobs of " + script.string() + ":\n" + said.out);
  return said.out;
}

}  // namespace variform::study
