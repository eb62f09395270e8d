"""Variables, links and marks that several dashboards have."""

from reports.grafana.model import Column, Panel, Variable, figures
from reports.questions import dialects
from reports.questions.question import Question

ALL_OF_CALL = (
    "All that is known of this call",
    "/d/lqo-calls?${__url_time_range}&var-call_id=${__value.raw}",
)
RECEIPT = ("Its receipt, from the API", "${api}/v1/calls/${__value.raw}")
CALLS_OF_MODEL = "/d/lqo-calls?from=${__value.time}&to=${__to}&var-model=${__field.labels.model}"
CALL_ID = Column(links=(ALL_OF_CALL,), width=300)

SHARE = Column(unit="percentunit", decimals=2)
BAR = Column(unit="percentunit", decimals=1, cell="gauge")
USD = Column(unit="currencyUSD")
MILLISECONDS = Column(unit="ms", decimals=0)
SECONDS = Column(unit="s")
TIME = Column(unit="dateTimeAsIso", width=170)
DAY = Column(unit="time:YYYY-MM-DD", width=110)


def _listed(sql: str) -> str:
    return Question("", "", "", sql).written_for(dialects.grafana)


MODEL = Variable(
    name="model",
    label="Model",
    sql=_listed(
        "select distinct model from marts.model_comparison "
        "where day >= :since_day and day <= :until_day order by model"
    ),
)
PROJECT = Variable(
    name="project",
    label="Project",
    sql=_listed(
        "select distinct project from marts.cost_daily "
        "where day >= :since_day and day <= :until_day order by project"
    ),
)
EVALUATOR = Variable(
    name="evaluator",
    label="Evaluator",
    sql=_listed(
        "select distinct evaluator from marts.evaluation_coverage "
        "where day >= :since_day and day <= :until_day order by evaluator"
    ),
)
GRAIN = Variable(name="grain", label="Points", choices=("auto", "day", "week", "month"))
API = Variable(name="api", label="API", text="http://127.0.0.1:8081")


def marks() -> Panel:
    """How new the figures are and which versions made them; on every page."""
    return figures("as_of", height=3, columns={"Newest hour with calls": TIME})
