-- Changes of evaluators, on the charts
-- Where does a line move because another version judges from here on?
select
    at as time,
    evaluator || ': ' || coalesce(from_version, 'none') || ' → ' || coalesce(to_version, 'none') as text,
    cause as tags
from marts.evaluator_boundaries
where at >= :since and at < :until
order by at
limit 200
