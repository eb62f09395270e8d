-- Tokens by kind
-- What are the tokens: fresh input, cache, answers, reasoning, audio, images? Kinds do not overlap.
with days as (

    select
        date_trunc(:grain, day::timestamp) at time zone 'UTC' as time,
        sum(input_uncached) as input_uncached,
        sum(cache_read) as cache_read,
        -- A kind that nobody reported is null, and must not swallow the other one.
        coalesce(sum(cache_write) + sum(cache_write_1h), sum(cache_write), sum(cache_write_1h)) as cache_write,
        sum(output_text) as output_text,
        sum(reasoning) as reasoning,
        coalesce(sum(input_audio) + sum(output_audio), sum(input_audio), sum(output_audio)) as audio,
        coalesce(sum(input_image) + sum(output_image), sum(input_image), sum(output_image)) as images
    from marts.cost_daily
    where day >= :since_day and day <= :until_day and :in(project) and :in(model)
    group by 1

)

select days.time, kinds.kind, kinds.n_tokens::bigint as value
from days
cross join lateral (
    values
    ('input', days.input_uncached),
    ('cache read', days.cache_read),
    ('cache write', days.cache_write),
    ('answer', days.output_text),
    ('reasoning', days.reasoning),
    ('audio', days.audio),
    ('images', days.images)
) as kinds (kind, n_tokens)
order by 1, 2
