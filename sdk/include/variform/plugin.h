#pragma once
// The one header of a plugin's source file: the interfaces, and the macro that turns classes into a plugin.
//
//   namespace { class StudentT final : public variform::VariationalFamily { /* … */ }; }
//   VARIFORM_PLUGIN("org.example.student-t", "1.0.0",
//       variform::component<StudentT>("student-t", "Independent Student-t posterior.", "Kotz & Nadarajah 2004",
//           {variform::number("df", 5.0).at_least(0.5).doc("Degrees of freedom; moments exist above 2.")}))
//
// A plugin of several files has VARIFORM_PLUGIN in one of them and VARIFORM_COMPONENTS in the others.

#include <variform/descriptor.h>
#include <variform/ext/condition.h>
#include <variform/ext/decoder.h>
#include <variform/ext/family.h>
#include <variform/ext/levels.h>
#include <variform/ext/likelihood.h>
#include <variform/ext/metric.h>
#include <variform/ext/network.h>
#include <variform/ext/objective.h>
#include <variform/ext/outputs.h>
#include <variform/ext/posterior.h>
#include <variform/ext/prior.h>
#include <variform/ext/reader.h>
#include <variform/log.h>
#include <variform/model.h>
