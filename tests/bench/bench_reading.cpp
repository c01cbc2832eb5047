// What it costs to read 2 GB of HDF5 in a process apart: takes turns as bench-train does.
//   bench-reading within|apart FILE
// {"steps": N} answers {"seconds": …} of N times: `within`, libhdf5 in this process into memory of its own; `apart`,
// read_hdf5(). Both read float32 [500, 1000, 1000] from the file's cache; FILE is made when it is not there.

#include <hdf5.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "data/readers/hdf5.h"

namespace variform {
namespace {

constexpr hsize_t kShape[3] = {500, 1000, 1000};
constexpr std::size_t kCount = std::size_t{500} * 1000 * 1000;

void make(const std::string& path) {
  if (std::filesystem::exists(path)) return;
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t space = H5Screate_simple(3, kShape, nullptr);
  const hid_t dataset = H5Dcreate2(file, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  std::vector<float> values(kCount);
  for (std::size_t i = 0; i < kCount; ++i) values[i] = static_cast<float>(i % 1000);
  if (H5Dwrite(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)
    throw std::runtime_error("cannot write " + path);
  H5Dclose(dataset);
  H5Sclose(space);
  H5Fclose(file);
}

/// The sum of some of the bytes, so that both sides touch what they have read.
double touch(const std::uint8_t* bytes, std::size_t size) {
  double sum = 0;
  for (std::size_t at = 0; at < size; at += 4096) sum += bytes[at];
  return sum;
}

double within(const std::string& path) {
  std::vector<std::uint8_t> bytes(kCount * sizeof(float));
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  const hid_t dataset = H5Dopen2(file, "x", H5P_DEFAULT);
  const herr_t code = H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data());
  H5Dclose(dataset);
  H5Fclose(file);
  if (code < 0) throw std::runtime_error("cannot read " + path);
  return touch(bytes.data(), bytes.size());
}

double apart(const std::string& path) {
  const data::Array array = data::read_hdf5(path, "/x");
  return touch(array.bytes.data(), array.bytes.size());
}

int run(const std::string& mode, const std::string& path) {
  if (mode != "within" && mode != "apart")
    throw std::runtime_error("expected within or apart, found " + mode);
  make(path);
  const std::function<double()> measured = [&] { return mode == "within" ? within(path) : apart(path); };
  double sum = 0;
  std::puts("{\"ready\": true}");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    const auto begin = std::chrono::steady_clock::now();
    for (int64_t n = nlohmann::json::parse(line).at("steps"); n > 0; --n) sum = measured();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::puts(nlohmann::json{{"seconds", took.count()}, {"sum", sum}}.dump().c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace variform

int main(int argc, char** argv) {
  try {
    if (argc != 3) throw std::runtime_error("usage: bench-reading within|apart FILE");
    return variform::run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
