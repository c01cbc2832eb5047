// Does what the environment variable VARIFORM_TEST_AT_LOAD names as soon as it is loaded; nothing when it is not set.

#include "plain.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <c10/core/DefaultDtype.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

namespace {

[[noreturn]] void wait_forever() {
  while (true) ::usleep(10'000);
}

// A child that outlives everything unless it is killed; its number goes into the file that the environment names.
void fork_a_child() {
  const pid_t child = ::fork();
  if (child == 0) wait_forever();
  if (const char* path = std::getenv("VARIFORM_TEST_MARK"))
    std::ofstream(path, std::ios::app) << child << "\n";
}

void close_everything() {
  for (int descriptor = 0; descriptor < 1024; ++descriptor) ::close(descriptor);
}

void act(const std::string& what) {
  if (what == "crash") std::raise(SIGSEGV);
  if (what == "throw") throw 42;
  if (what == "exit") std::exit(0);
  if (what == "wait") wait_forever();
  if (what == "sleep") ::usleep(1'300'000);
  if (what == "print") std::puts("loaded!");
  if (what == "print a lot")
    for (int i = 0; i < 100'000; ++i) std::fputs("I am a very talkative library.\n", stderr);
  if (what == "print for ever")
    while (true) std::puts("I am a very talkative library.");
  if (what == "close stdout") ::close(STDOUT_FILENO);
  if (what == "close everything and wait") {
    close_everything();
    wait_forever();
  }
  if (what == "fork") fork_a_child();
  if (what == "thread") std::thread(wait_forever).detach();
  if (what == "dtype") c10::set_default_dtype(caffe2::TypeMeta::Make<double>());
  if (what == "draw") at::randn({2});
  if (what == "threads") at::set_num_threads(at::get_num_threads() + 1);
  if (what == "locale") std::setlocale(LC_ALL, "C.UTF-8");
  if (what == "signal") std::signal(SIGINT, SIG_IGN);
}

const bool kActed = [] {
  if (const char* what = std::getenv("VARIFORM_TEST_AT_LOAD")) act(what);
  return true;
}();

}  // namespace

VARIFORM_PLUGIN("org.variform.test.at-load", "1.0.0", plain::linear("plain"))
