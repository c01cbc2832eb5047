// Batch systems: times, names of jobs, and the script for Slurm.

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "catch.h"
#include "study/batch.h"
#include "study/slurm.h"

using namespace variform;

TEST_CASE("times are read as Slurm reads them", "[batch]") {
  using std::chrono::seconds;
  CHECK(study::batch_time("90") == seconds(5400));
  CHECK(study::batch_time("0:05") == seconds(5));
  CHECK(study::batch_time("1:30:00") == seconds(5400));
  CHECK(study::batch_time("2-12") == seconds(60 * 3600));
  CHECK(study::batch_time("1-00:30") == seconds(86400 + 1800));
  CHECK(study::batch_time("1-00:00:01") == seconds(86401));
  for (const char* wrong :
       {"", "0", "soon", "1:", ":1", "1-", "-1", "1:2:3:4", "1.5", "1h", "1-2-3", "9999999"})
    CHECK_FALSE(study::batch_time(wrong).has_value());
}

TEST_CASE("a job is named by the batch system that started it", "[batch]") {
  for (const char* name : {"SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID", "PBS_JOBID"})
    ::unsetenv(name);
  CHECK(study::batch_job().empty());
  ::setenv("SLURM_JOB_ID", "12", 1);
  CHECK(study::batch_job() == "slurm 12");
  ::setenv("SLURM_ARRAY_JOB_ID", "11", 1);
  ::setenv("SLURM_ARRAY_TASK_ID", "3", 1);
  CHECK(study::batch_job() == "slurm 11_3");
  for (const char* name : {"SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_ID"}) ::unsetenv(name);
}

TEST_CASE("the script for Slurm is bash, whatever names and folders have in them", "[batch]") {
  study::SlurmJob job;
  job.study = "β $(touch x)\n`y`";
  job.folder = "/tmp/a b%c";
  job.from = "/tmp/it's";
  job.command = {"/bin/echo", "a b", "$HOME", "x'y"};
  job.time = "0:40";
  job.options = {"--comment=two words"};
  const std::string script = study::slurm_script(job);
  CHECK_THAT(script, Catch::Contains("--signal=B:USR1@10") && Catch::Contains("'--comment=two words'") &&
                         Catch::Contains("--job-name=variform----") && Catch::Contains("cd '/tmp/it'\\''s'"));
  char file[] = "/tmp/variform-batch-XXXXXX";
  ::close(::mkstemp(file));
  std::ofstream(file) << script;
  CHECK(std::system(("bash -n " + std::string(file)).c_str()) == 0);
  std::ofstream(file) << script.substr(0, script.find("export ")).substr(0, script.find("cd ")) +
                             "\n[ \"${command[1]}\" = 'a b' ] && [ \"${command[2]}\" = '$HOME' ]\n";
  CHECK(std::system(("bash " + std::string(file)).c_str()) == 0);
  ::unlink(file);
}
