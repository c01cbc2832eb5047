// What a program asks of its process.

#include "catch.h"
#include "model/process.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <thread>

namespace {

using at::Tensor;

// In how many of n parts, each by a thread of its own where there are as many, a small number is zero.
int64_t flushed(int64_t n) {
  const Tensor zero = at::zeros({n}, at::kBool);
  at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const volatile float small = 1e-30f;
      const volatile float smaller = small * 1e-10f;
      zero.data_ptr<bool>()[i] = smaller == 0.f;
    }
  });
  return zero.sum().item<int64_t>();
}

}  // namespace

TEST_CASE("denormal numbers count as zero in all threads of one that asked for it") {
  const int threads = at::get_num_threads();
  for (const bool is_asked : {false, true}) {
    int64_t found = -1;
    std::thread other([&] {  // with which its settings end
      at::set_num_threads(4);
      if (is_asked) variform::model::flush_denormals();
      found = flushed(4);
    });
    other.join();
    CHECK(found == (is_asked ? 4 : 0));
  }
  at::set_num_threads(threads);
}
