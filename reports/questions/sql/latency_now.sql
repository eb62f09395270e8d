-- Latency of the span
-- Over the whole span, how long does an answer take?
select model, n_calls, p50_ms, p95_ms, p99_ms
from marts.latency_percentiles(:since_day, :until_day, of_measure => 'latency')
where model = '(all)' or :in(model)
order by n_calls desc, model
limit 100
