// What a checkpoint of 100 million parameters with Adam's state costs: takes turns as bench-train does.
//   bench-checkpoint bytes|checkpoint|stall FILE
// {"steps": N} answers {"seconds": …} of N times: `bytes`, write and fsync of as many bytes; `checkpoint`, until it is on
// the disk; `stall`, until the training may go on (the writing itself is waited for outside of the measured time).

#include <ATen/ATen.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "checkpoint/writer.h"

namespace variform {
namespace {

constexpr int64_t kLayers = 25, kSide = 2000;  // 25 weights of 4 million

checkpoint::Snapshot snapshot() {
  checkpoint::Snapshot made;
  made.attributes["config"] = "none";
  for (int64_t layer = 0; layer < kLayers; ++layer)
    for (const char* what : {"model/decoder/parameters/", "optimizer/exp_avg/", "optimizer/exp_avg_sq/"})
      made.tensors[what + std::to_string(layer)] = at::randn({kSide, kSide});
  return made;
}

void write_bytes(const checkpoint::Snapshot& from, const std::string& file) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (descriptor < 0) throw std::runtime_error("cannot write " + file);
  for (const auto& [path, tensor] : from.tensors) {
    const char* data = static_cast<const char*>(tensor.const_data_ptr());
    for (std::size_t done = 0; done < tensor.nbytes();) {
      const ssize_t count = ::write(descriptor, data + done, tensor.nbytes() - done);
      if (count <= 0) throw std::runtime_error("cannot write " + file);
      done += static_cast<std::size_t>(count);
    }
  }
  if (::fsync(descriptor) != 0 || ::close(descriptor) != 0) throw std::runtime_error("cannot write " + file);
}

int run(const std::string& mode, const std::string& file) {
  const checkpoint::Snapshot made = snapshot();
  checkpoint::Writer writer;
  const auto start_write = [&] { writer.write(made, {file}, [] {}); };
  std::function<void()> measured = [&] { write_bytes(made, file); };
  if (mode == "stall") measured = start_write;
  else if (mode == "checkpoint")
    measured = [&] {
      start_write();
      writer.finish();
    };
  else if (mode != "bytes") throw std::runtime_error("expected bytes, checkpoint or stall, found " + mode);
  std::puts("{\"ready\": true}");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    double seconds = 0;
    for (int64_t left = nlohmann::json::parse(line).at("steps"); left > 0; --left) {
      std::remove(file.c_str());  // that a former file's pages are given back is nobody's work here
      const auto start = std::chrono::steady_clock::now();
      measured();
      seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      writer.finish();
    }
    std::printf("{\"seconds\": %.6f}\n", seconds);
    std::fflush(stdout);
  }
  std::remove(file.c_str());
  return 0;
}

}  // namespace
}  // namespace variform

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: bench-checkpoint bytes|checkpoint|stall FILE\n");
    return 2;
  }
  try {
    return variform::run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
