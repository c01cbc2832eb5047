#pragma once
// Makes figures of a study. Curves and bars show means over the axes that the figure does not name (as a rule seeds),
// with their 95 % intervals by Student's t and the single values as small marks. Histograms and scatter plots show all
// runs that fit; heat maps and pictures the first, which may differ from the others in its seed only.

#include <set>
#include <string>
#include <vector>

#include "draw/figure.h"
#include "study/results.h"
#include "study/specs.h"

namespace variform::study {

struct StudyFigure {
  draw::Figure figure;
  std::vector<std::size_t> cells{};  ///< of the results: the runs that it shows
  std::string note{};                ///< a sentence that its caption needs; may be empty
};

/// Collects the numbers of a figure. Throws Error when the study has none of them, and where values that are not
/// comparable would be averaged.
StudyFigure figure_of(const StudyResults& results, const FigureSpec& spec);

/// The same, by kind.
StudyFigure curves_of(const StudyResults& results, const FigureSpec& spec);
StudyFigure bars_of(const StudyResults& results, const FigureSpec& spec);
StudyFigure heat_maps_of(const StudyResults& results, const FigureSpec& spec);
StudyFigure scatter_of(const StudyResults& results, const FigureSpec& spec);
StudyFigure histograms_of(const StudyResults& results, const FigureSpec& spec);
StudyFigure images_of(const StudyResults& results, const FigureSpec& spec);

/// Returns a panel of curves, bars, points or counts with the titles and scales of its figure; `whole`: its title where
/// the figure has one panel only.
draw::Panel empty_panel(const FigureSpec& spec, const std::string& label, const std::string& whole);
/// Removes rows and columns of a grid that have nothing in any panel.
void drop_empty(draw::Figure& figure);
/// "Of the first seed (1)."; empty without seeds.
std::string note_of_seeds(const std::set<std::string>& seeds);

}  // namespace variform::study
