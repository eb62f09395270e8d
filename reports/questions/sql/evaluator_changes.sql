-- Changes of evaluators
-- When did another version take over, and what does the change itself add to the figures?
select
    at as time,
    evaluator,
    from_version,
    to_version,
    cause,
    value_offset as offset,
    value_offset_low as low,
    value_offset_high as high,
    n_shared
from marts.evaluator_boundaries
where at >= :since and at < :until and :in(evaluator)
order by at desc
limit 200
