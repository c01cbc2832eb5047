// Which cell comes next.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catch.h"
#include "study/schedule.h"

using namespace variform::study;

namespace {

// Two cells, and one that builds on the first.
std::vector<Cell> three() {
  std::vector<Cell> cells(3);
  cells[2].needs = {0};
  return cells;
}

}  // namespace

TEST_CASE("cells come in order, those that build on others when these are done", "[schedule]") {
  const std::vector<Cell> cells = three();
  Schedule schedule(cells, {});
  CHECK(schedule.next() == 0u);
  CHECK(schedule.next() == 1u);
  CHECK_FALSE(schedule.next().has_value());
  CHECK_FALSE(schedule.is_over(false));
  schedule.set(0, Mark::kDone);
  CHECK(schedule.next() == 2u);
  schedule.set(1, Mark::kDone);
  schedule.set(2, Mark::kDone);
  CHECK(schedule.is_over(true));
}

TEST_CASE("a worker ends when others have the rest, unless something builds on that", "[schedule]") {
  const std::vector<Cell> cells = three();
  Schedule schedule(cells, {});
  schedule.set(0, Mark::kDone);
  schedule.set(1, Mark::kElsewhere);
  schedule.set(2, Mark::kElsewhere);
  CHECK(schedule.is_over(false));
  CHECK_FALSE(schedule.is_over(true));
  CHECK(schedule.count(Mark::kElsewhere) == 2);
  schedule.open_again({"a", "b", "c"}, {"b"});  // c has been left
  CHECK_FALSE(schedule.is_over(false));
  CHECK(schedule.next() == 2u);

  Schedule waiting(cells, {});
  waiting.set(0, Mark::kElsewhere);
  waiting.set(1, Mark::kDone);
  CHECK_FALSE(waiting.next().has_value());
  CHECK_FALSE(waiting.is_over(false));
}

TEST_CASE("what builds on a failed cell is never begun, and does not keep anybody", "[schedule]") {
  const std::vector<Cell> cells = three();
  Schedule schedule(cells, {});
  schedule.set(0, Mark::kFailed);
  schedule.set(1, Mark::kDone);
  CHECK(schedule.is_over(true));
  CHECK(schedule.stuck() == std::vector<std::size_t>{2});
}

TEST_CASE("a busy run is tried again by everybody", "[schedule]") {
  const std::vector<Cell> cells(1);
  Schedule schedule(cells, {});
  schedule.set(0, Mark::kBusy);
  CHECK_FALSE(schedule.is_over(false));
  schedule.open_again({""}, {});
  CHECK(schedule.next() == 0u);
}

TEST_CASE("one cell alone is tried whatever it builds on", "[schedule]") {
  const std::vector<Cell> cells = three();
  Schedule schedule(cells, 2);
  CHECK(schedule.next() == 2u);
  schedule.set(2, Mark::kDone);
  CHECK(schedule.is_over(true));
  CHECK(schedule.count(Mark::kDone) == 1);
}

TEST_CASE("who begins anywhere finds every cell once", "[schedule]") {
  const std::vector<Cell> cells(7);
  Schedule schedule(cells, {}, /*anywhere=*/true);
  std::set<std::size_t> found;
  while (const auto cell = schedule.next()) found.insert(*cell);
  CHECK(found.size() == 7);
}
