"""Turn samples into what a reader wants: a table of ratios, demands that hold or not, a JSON file and a plot."""

import json
import os
import platform
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from measure import Comparison, Demand, Sample, Samples, rate

RESULTS = Path(__file__).parent / "results"
OURS, FLOOR, PEER = "#d9480f", "#ced4da", "#5c7cfa"
INK, QUIET = "#212529", "#868e96"
STYLE = {"font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "svg.hashsalt": "bench"}

Rates = dict[str, dict[str, float]]
"""Requests a second by stack and workload."""


def publish(comparison: Comparison, samples: Samples) -> bool:
    """Print and store the outcome; return whether every demand that was measured holds."""
    rates = {stack: {name: rate(taken) for name, taken in cells.items()} for stack, cells in samples.items()}
    print()
    print(table(comparison, rates, samples))
    print()
    verdicts = [verdict(demand, rates, samples) for demand in comparison.demands]
    print("\n".join(text for text, _ in verdicts))
    RESULTS.mkdir(exist_ok=True)
    store(comparison, samples, rates)
    if comparison.baseline in rates:
        plot(comparison, rates)
    print(f"\nwritten: bench/results/{comparison.name}.json and .svg")
    return all(holds for _, holds in verdicts)


def table(comparison: Comparison, rates: Rates, samples: Samples) -> str:
    """Return a table of rates, fastest stack first, with the geometric mean against the baseline."""
    names = [workload.name for workload in comparison.workloads]
    width = max(map(len, rates), default=0)
    lines = [f"{'requests a second':{width}}" + "".join(f"{name:>11}" for name in names) + f"{'×':>8}"]
    for stack in fastest_first(rates):
        cells = "".join(f"{figure(rates[stack][name], samples[stack][name]):>11}" for name in names)
        times = ratio(rates, stack, comparison.baseline)
        lines.append(f"{stack:{width}}{cells}{times or float('nan'):8.2f}")
    lines.append(f"×: geometric mean against {comparison.baseline}; ~: never without disturbance, do not rely on it")
    return "\n".join(lines)


def figure(value: float, samples: Sequence[Sample]) -> str:
    """Return a rate, marked when no sample of it was clean."""
    return ("" if clean(samples) else "~") + f"{value:,.0f}"


def clean(samples: Sequence[Sample]) -> bool:
    """Tell whether any sample was taken while the machine was quiet."""
    return any(sample.clean for sample in samples)


def fastest_first(rates: Rates) -> list[str]:
    """Return the stacks ordered by the geometric mean of their rates."""
    return sorted(rates, key=lambda stack: statistics.geometric_mean(rates[stack].values()), reverse=True)


def ratio(rates: Rates, of: str, over: str) -> float | None:
    """Return how many times as fast one stack is as another: a geometric mean, or None when one was not measured."""
    if of not in rates or over not in rates:
        return None
    return statistics.geometric_mean(value / rates[over][name] for name, value in rates[of].items())


def verdict(demand: Demand, rates: Rates, samples: Samples) -> tuple[str, bool]:
    """Return what is to be said of a demand, and whether it holds; what was not measured counts as holding."""
    subject = f"{demand.of} is at least {demand.ratio} × {demand.over}"
    times = ratio(rates, demand.of, demand.over)
    if times is None:
        return f"  not measured   {subject}", True
    quiet = all(clean(taken) for stack in (demand.of, demand.over) for taken in samples[stack].values())
    holds = quiet and times >= demand.ratio
    word = "holds" if holds else "DOES NOT HOLD" if quiet else "DISTURBED"
    return f"  {word:14} {subject}: {times:.2f}", holds


def store(comparison: Comparison, samples: Samples, rates: Rates) -> None:
    """Write everything that was measured, and on what, as JSON."""
    document = {
        "title": comparison.title,
        "machine": machine(),
        "versions": versions(),
        "rates": rates,
        "demands": [asdict(each) | {"measured": ratio(rates, each.of, each.over)} for each in comparison.demands],
        "samples": {
            stack: {name: [asdict(sample) for sample in taken] for name, taken in cells.items()}
            for stack, cells in samples.items()
        },
    }
    (RESULTS / f"{comparison.name}.json").write_text(json.dumps(document, indent=1) + "\n")


def machine() -> Mapping[str, object]:
    """Describe the processor and the Python that was measured."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor = model[1] if model else platform.machine()
    return {"processor": processor, "cores": os.cpu_count(), "python": platform.python_version()}


def versions() -> Mapping[str, str]:
    """Return the version of every library in this environment."""
    return dict(sorted((each.name, each.version) for each in distributions()))


def plot(comparison: Comparison, rates: Rates) -> None:
    """Draw how many times as fast as the baseline every stack is, with a dot for each workload."""
    stacks = fastest_first(rates)
    with plt.rc_context(STYLE):
        canvas, axes = plt.subplots(figsize=(9, 1.2 + 0.36 * len(stacks)), layout="constrained")
        for row, stack in enumerate(stacks):
            draw_bar(axes, row, stack, rates, comparison.baseline)
        tidy(axes, stacks)
        canvas.suptitle(comparison.title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        caption = f"times as many as {comparison.baseline}: geometric mean, and a dot for each workload"
        canvas.supxlabel(caption, x=0.01, ha="left", fontsize=9, color=QUIET)
        canvas.savefig(RESULTS / f"{comparison.name}.svg", metadata={"Date": None})
        plt.close(canvas)


def draw_bar(axes: Axes, row: int, stack: str, rates: Rates, baseline: str) -> None:
    """Draw one stack's bar, its figure, and a dot for each workload."""
    times = ratio(rates, stack, baseline)
    each = [value / rates[baseline][name] for name, value in rates[stack].items()]
    weight = "bold" if stack.startswith("Mergepoint") else "normal"
    axes.barh(row, times, height=0.7, color=colour(stack))
    axes.plot(each, [row] * len(each), "o", markersize=3.5, color=INK, alpha=0.45, markeredgewidth=0)
    axes.annotate(
        f"{times:.1f} ×", (max(times, *each), row), (7, 0), textcoords="offset points", va="center", fontweight=weight
    )


def tidy(axes: Axes, stacks: Sequence[str]) -> None:
    """Name the bars and take away all else."""
    axes.set_yticks(range(len(stacks)), stacks)
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.01)
    axes.xaxis.set_visible(False)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)


def colour(stack: str) -> str:
    """Return the colour of ours, of a floor and of everybody else."""
    if stack.startswith("Mergepoint"):
        return OURS
    return FLOOR if stack.startswith("floor") else PEER
