"""The loss plot and the memory plot."""

from __future__ import annotations

from textual_plotext import PlotextPlot

from advisor.domain.run import RunState, StepState

Points = tuple[tuple[float, float], ...]


def thinned(points: Points, most: int) -> Points:
    """At most `most` of the points, evenly, the last one always among them."""
    if len(points) <= most or most < 2:
        return points
    stride = (len(points) - 1) / (most - 1)
    return tuple(points[round(number * stride)] for number in range(most))


class LossPlot(PlotextPlot):  # type: ignore[misc]  # it ships no types
    """Training loss as a line, held-out loss as points, of the step that trains or trained last."""

    def show(self, step: StepState | None) -> None:
        self.plt.clear_data()
        most = max(20, 2 * self.size.width)
        series = step.series if step is not None else {}
        self.plt.title(f"loss: {step.technique}" if step is not None and series else "loss")
        trained, held_out = (thinned(series.get(name, ()), most) for name in ("loss", "held_out_loss"))
        if trained:
            self.plt.plot(*zip(*trained, strict=True), marker="braille", label="loss")
        if held_out:
            self.plt.scatter(*zip(*held_out, strict=True), marker="●", label="held-out loss")
        self.refresh()


class MemoryPlot(PlotextPlot):  # type: ignore[misc]
    """Memory of the worker over time, against what was predicted for the step."""

    def show(self, state: RunState, predicted_gib: float | None) -> None:
        self.plt.clear_data()
        points = thinned(state.memory, max(20, 2 * self.size.width))
        self.plt.title("memory GiB, - - predicted")
        if points:
            self.plt.plot(*zip(*points, strict=True), marker="braille")
            if predicted_gib:
                ends = (points[0][0], max(points[-1][0], points[0][0] + 1))
                self.plt.plot(ends, (predicted_gib, predicted_gib), marker="-")
            self.plt.ylim(0, 1.15 * max(max(y for _, y in points), predicted_gib or 0))
        self.refresh()
