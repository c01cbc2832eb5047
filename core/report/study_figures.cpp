// See study_figures.h.

#include "report/study_figures.h"

#include "report/png_grid.h"

namespace variform::report {

StudyFigure figure_of(const StudyResults& results, const FigureSpec& spec) {
  try {
    return spec.kind == FigureSpec::Kind::kBars ? bars_of(results, spec) : curves_of(results, spec);
  } catch (const Error& error) {
    throw Error("the figure " + spec.name + ": " + error.what());
  }
}

}  // namespace variform::report
