-- As of
-- How new is what I see, and by which versions was it judged and priced?
select
    (select max(hour) from marts.calls_hourly) as "Newest hour with calls",
    (
        select string_agg(distinct rule_set_version::text, ', ' order by rule_set_version::text)
        from marts.failing_hourly
        where hour >= :since and hour < :until
    ) as "Rule sets",
    (
        select max(price_version) from marts.cost_daily
        where day >= :since_day and day <= :until_day
    ) as "Price version",
    (
        select string_agg(distinct evaluator || ' ' || evaluator_version, ', ')
        from marts.evaluation_coverage
        where day >= :until_day - 1 and day <= :until_day
    ) as "Evaluators and versions of the last day"
