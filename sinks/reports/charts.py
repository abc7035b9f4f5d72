"""Charts as inline SVG: bars over time, and bars of names. No I/O, no script; all text is escaped."""

from typing import Final

from markupsafe import Markup

from tokentrail.sinks.reports.cells import harmless
from tokentrail.sinks.reports.report import Chart
from tokentrail.sinks.reports.wording import worded

WIDTH: Final = 720
_HEIGHT: Final = 180
_LEFT, _BELOW, _ABOVE = 64, 22, 12
_ROW: Final = 26
_NAMES: Final = 190
_NUMBERS: Final = 110
_LONGEST_NAME: Final = 28
_MOST_LABELS: Final = 12

_SVG: Final = Markup(
    '<svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}" xmlns="http://www.w3.org/2000/svg">{parts}</svg>'
)
_BAR: Final = Markup(
    '<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="1.5">'
    "<title>{told}</title></rect>"
)
_TEXT: Final = Markup('<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>')
_LINE: Final = Markup('<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')


def draw(chart: Chart) -> Markup:
    """Return a chart as an SVG element, as wide as its place; empty where there is nothing to draw."""
    if not any(chart.values):
        return Markup()
    return _columns(chart) if chart.form == "columns" else _bars(chart)


def _columns(chart: Chart) -> Markup:
    highest = float(max(chart.values))
    room, height = WIDTH - _LEFT, _HEIGHT - _BELOW - _ABOVE
    step = room / len(chart.values)
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _ABOVE + height * (1 - share)
        parts += [
            _LINE.format(left=_LEFT, right=WIDTH, y=y),
            _text(_LEFT - 6, y + 4, "end", worded(_rounded(highest * share), chart.kind)),
        ]
    every = -(-len(chart.labels) // _MOST_LABELS)
    for at, (label, value) in enumerate(zip(chart.labels, chart.values, strict=True)):
        tall = max(float(value), 0.0) / highest * height
        told = f"{label}: {worded(value, chart.kind)}"
        x = _LEFT + at * step
        parts.append(
            _BAR.format(
                x=x + step * 0.1, y=_ABOVE + height - tall, width=max(step * 0.8, 0.8), height=tall, told=harmless(told)
            )
        )
        if at % every == 0:
            parts.append(_text(x + step / 2, _HEIGHT - 6, "middle", label))
    return _svg(chart, _HEIGHT, parts)


def _bars(chart: Chart) -> Markup:
    longest = float(max(chart.values))
    parts = []
    for at, (label, value) in enumerate(zip(chart.labels, chart.values, strict=True)):
        y = at * _ROW
        wide = max(float(value), 0.0) / longest * (WIDTH - _NAMES - _NUMBERS)
        name = label if len(label) <= _LONGEST_NAME else f"{label[: _LONGEST_NAME - 1]}…"
        told = f"{label}: {worded(value, chart.kind)}"
        parts += [
            _text(_NAMES - 8, y + 17, "end", name),
            _BAR.format(x=_NAMES, y=y + 4, width=max(wide, 1), height=_ROW - 8, told=harmless(told)),
            _text(_NAMES + max(wide, 1) + 6, y + 17, "start", worded(value, chart.kind)),
        ]
    return _svg(chart, _ROW * len(chart.values), parts)


def _svg(chart: Chart, height: int, parts: list[Markup]) -> Markup:
    return _SVG.format(width=WIDTH, height=height, title=harmless(chart.title), parts=Markup().join(parts))


def _text(x: float, y: float, anchor: str, text: str) -> Markup:
    return _TEXT.format(x=x, y=y, anchor=anchor, text=harmless(text))


def _rounded(value: float) -> float | int:
    return int(value) if value == int(value) else round(value, 2)
