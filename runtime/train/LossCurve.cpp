//===- LossCurve.cpp - a picture of a run's loss and accuracy -------------------*- C++ -*-===//
//
// Part of the vitc project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===--------------------------------------------------------------------------------------===//

#include "runtime/train/LossCurve.h"

#include <algorithm>
#include <cmath>

namespace vitrt {
namespace {

struct Point {
  double x, y;
};

constexpr double width = 860, left = 64, right = 24, top = 56, panelHeight = 260, gap = 56, bottom = 48;
constexpr const char *style = "text{font-family:Helvetica,Arial,sans-serif;font-size:12px;fill:#444}.title{font-size:15px;fill:#111}"
                              ".grid{stroke:#e4e4e4}.frame{stroke:#999;fill:none}.raw{stroke:#9ec5e8;fill:none}"
                              ".line{stroke:#1f5f99;stroke-width:2;fill:none}.accuracy{stroke:#b3541e;stroke-width:2;fill:none}"
                              ".dot{fill:#b3541e}";

std::string escape(const std::string &text) {
  std::string result;
  for (char c : text)
    result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return result;
}

/// A distance of 1, 2 or 5 times a power of ten between about five marks.
double markDistance(double range) {
  double rough = range / 5, power = std::pow(10, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0})
    if (rough <= factor * power)
      return factor * power;
  return 10 * power;
}

/// A frame with its axes, onto which data is mapped.
class Panel {
public:
  Panel(std::string &svg, double y, double maxX, double minY, double maxY, const char *unit)
      : svg(svg), y(y), maxX(std::max(maxX, 1.0)), minY(minY), maxY(maxY > minY ? maxY : minY + 1), unit(unit) {}

  void drawAxes(const char *name, const char *xName) {
    double distance = markDistance(maxY - minY);
    for (double value = std::ceil(minY / distance) * distance; value <= maxY + distance * 1e-6; value += distance) {
      svg += fmt::format("<line class=\"grid\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{2:.1f}\" y2=\"{1:.1f}\"/>\n", left, mapY(value),
                         width - right);
      svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{:.3g}{}</text>\n", left - 8, mapY(value) + 4,
                         std::abs(value) < distance * 1e-6 ? 0 : value, unit);
    }
    distance = std::max(markDistance(maxX), 1.0);
    for (double value = 0; value <= maxX * (1 + 1e-9); value += distance)
      svg +=
          fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.0f}</text>\n", mapX(value), y + panelHeight + 18, value);
    svg += fmt::format("<rect class=\"frame\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n", left, y,
                       width - left - right, panelHeight);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n", left, y - 8, name);
    svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", width - right, y + panelHeight + 34, xName);
  }

  void drawLine(const std::vector<Point> &points, const char *kind) {
    svg += fmt::format("<polyline class=\"{}\" points=\"", kind);
    for (Point point : points)
      svg += fmt::format("{:.1f},{:.1f} ", mapX(point.x), mapY(point.y));
    svg += "\"/>\n";
  }

  void drawDots(const std::vector<Point> &points) {
    for (Point point : points)
      svg += fmt::format("<circle class=\"dot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>\n", mapX(point.x), mapY(point.y));
  }

private:
  double mapX(double value) const { return left + (width - left - right) * value / maxX; }
  double mapY(double value) const { return y + panelHeight * (1 - std::clamp((value - minY) / (maxY - minY), 0.0, 1.0)); }

  std::string &svg;
  double y, maxX, minY, maxY;
  const char *unit;
};

/// No more points than the picture has pixels: each the mean of as many steps.
std::vector<Point> thin(const std::vector<float> &values) {
  size_t step = values.size() / 800 + 1;
  std::vector<Point> points;
  for (size_t i = 0; i < values.size(); i += step) {
    size_t end = std::min(i + step, values.size());
    double sum = 0;
    for (size_t j = i; j < end; ++j)
      sum += double(values[j]);
    points.push_back({double(i + end - 1) / 2, sum / double(end - i)});
  }
  return points;
}

/// Moving average that forgets over an eightieth of the run, corrected for its beginning as Adam's moments are.
std::vector<Point> smooth(const std::vector<Point> &points) {
  double keep = 1 - 1 / std::max(double(points.size()) / 80, 1.0), average = 0, weight = 0;
  std::vector<Point> result;
  for (Point point : points) {
    average = keep * average + (1 - keep) * point.y;
    weight = keep * weight + (1 - keep);
    result.push_back({point.x, average / weight});
  }
  return result;
}

} // namespace

std::string drawLossCurve(const TrainingPosition &position, uint64_t stepsPerEpoch, const std::string &title) {
  std::vector<Point> accuracies;
  for (size_t i = 0; i < position.epochs.size(); ++i)
    if (position.epochs[i].valTop1)
      accuracies.push_back({double(i + 1) * double(stepsPerEpoch), 100 * *position.epochs[i].valTop1});
  double height = top + panelHeight + bottom + (accuracies.empty() ? 0 : panelHeight + gap);
  std::string svg = fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\">\n"
                                "<style>{2}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
                                "<text class=\"title\" x=\"{3}\" y=\"24\">{4}</text>\n",
                                width, height, style, left, escape(title));
  double lastStep = std::max(double(position.losses.size()), 1.0); // where the last epoch ends
  std::vector<Point> raw = thin(position.losses), line = smooth(raw);
  // The first steps of a run can be so high that nothing else would show: the scale ends a little above all but a fiftieth of the points.
  std::vector<double> sorted;
  for (Point point : raw)
    sorted.push_back(point.y);
  std::sort(sorted.begin(), sorted.end());
  double highest = sorted.empty() ? 1 : sorted[(sorted.size() - 1) * 49 / 50] * 1.05;
  double lowest = sorted.empty() ? 0 : std::min(0.0, sorted.front());
  Panel loss(svg, top, lastStep, lowest, highest, "");
  loss.drawAxes("loss", "step");
  loss.drawLine(raw, "raw");
  loss.drawLine(line, "line");
  if (!accuracies.empty()) {
    auto [low, high] = std::minmax_element(accuracies.begin(), accuracies.end(), [](Point a, Point b) { return a.y < b.y; });
    double margin = std::max((high->y - low->y) * 0.08, 0.5);
    Panel accuracy(svg, top + panelHeight + gap, lastStep, std::max(low->y - margin, 0.0), std::min(high->y + margin, 100.0), " %");
    accuracy.drawAxes(fmt::format("top-1 after each epoch, {:.2f} % at last", accuracies.back().y).c_str(), "step");
    accuracy.drawLine(accuracies, "accuracy");
    accuracy.drawDots(accuracies);
  }
  return svg + "</svg>\n";
}

} // namespace vitrt
