// main() of every C++ test. With one thread, also when started by hand: LibTorch's threads spin, and results must not
// depend on the machine. OpenMP reads its environment when it is loaded, so the program starts itself once more.

#define CATCH_CONFIG_RUNNER
#include "catch.h"

#include <cstdlib>

#include <unistd.h>

int main(int argc, char** argv) {
  if (!std::getenv("OMP_NUM_THREADS")) {
    setenv("OMP_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", argv);
  }
  return Catch::Session().run(argc, argv);
}
