"""The picture of an alert, where it can be drawn."""

from orchestration.alerts.message import AlertMessage
from reports.alerting.chart import ChartData, chart_png
from reports.alerting.figures import figure


def chart_of(message: AlertMessage) -> bytes | None:
    """A PNG of its points; None where there are too few, or where Pillow is not installed."""
    data = ChartData(
        steps=[(point.at, point.value) for point in message.points],
        figure=lambda value: figure(value, message.unit),
        threshold=message.threshold,
        baseline=message.baseline,
    )
    try:
        return chart_png(data)
    except ModuleNotFoundError:
        return None
