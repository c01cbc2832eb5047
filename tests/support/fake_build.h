#pragma once
// The SDK's test kit (variform/testing.h) under the names that the tests use.

#include <variform/testing.h>

namespace variform::test {

using testing::fake_build;
using testing::FakeParameters;
using testing::generator;
using testing::list;
using testing::make;
using testing::num;
using testing::Sizes;
using testing::txt;
using testing::Value;
using testing::Values;

}  // namespace variform::test
